// SPDX-License-Identifier: Apache-2.0
// The evidence lower bound per word and its gradient (ntm.md sections 1.2-1.4). For document d with N_d tokens, in nats
// per token:
//   recons_d = -(1/N_d) sum_v x_v log y_v              y = softmax(W relu(h) + b), h = mu + exp(ls) eps
//   kld_d    =  (1/N_d) 1/2 sum_k (mu_k^2 + exp(2 ls_k) - 2 ls_k - 1)
//   total_d  =  recons_d + kld_d
// The gradient is that of the sum of total_d over the batch. Pure: everything random comes from Noise's counters.
#pragma once

#include <cstdint>
#include <span>

#include "algorithms/ntm/data/documents.h"
#include "algorithms/ntm/model/decoder.h"
#include "algorithms/ntm/model/encoder.h"
#include "algorithms/ntm/model/parameters.h"
#include "learning/numeric/team.h"

namespace clary::ntm {

/// Where a batch's Gaussian noise comes from: the same seed, stream, pass and document number give the same numbers.
struct Noise {
  std::uint64_t seed = 1;
  std::uint32_t pass = 0;    // epoch
  std::uint32_t stream = 0;  // different for training on each host, scoring, ...
};

/// K numbers for one document; what loss_and_gradient uses.
void draw_noise(const Noise& noise, std::uint32_t document, std::int64_t topics, float* out);

/// Sums over documents; divide by `documents` for the reported values.
struct LossSum {
  double reconstruction = 0;
  double divergence = 0;
  std::int64_t documents = 0;

  double total() const { return reconstruction + divergence; }
  LossSum& operator+=(const LossSum& other) {
    reconstruction += other.reconstruction;
    divergence += other.divergence;
    documents += other.documents;
    return *this;
  }
};

/// Owns the memory of a step, so that steps do not allocate. One per Team.
class Objective {
 public:
  explicit Objective(Team& team) : team_(team) {}

  /// @param index  words of these documents (built by this call's caller for every thread); receives their gradients
  /// @param gradient  overwritten: every dense gradient; its embedding is not touched
  /// @param divergence_weight  factor on kld in the gradient only (KL warm-up); 1 is the published loss
  LossSum loss_and_gradient(const Parameters& p, std::span<const Document> documents, const Noise& noise,
                            float divergence_weight, WordIndex& index, Parameters& gradient);

  /// The loss with stored batch-norm statistics: scoring.
  LossSum loss(const Parameters& p, std::span<const Document> documents, const Noise& noise);

  const Encoder& encoder() const { return encoder_; }

 private:
  void reserve(std::int64_t rows, const Shape& shape);
  void sample(std::span<const Document> documents, const Shape& shape, const Noise& noise, std::int64_t from,
              std::int64_t to);
  void latent_backward(const Document& d, std::int64_t row, const Shape& shape, float divergence_weight);
  LossSum sum_losses(std::int64_t rows) const;

  Team& team_;
  Encoder encoder_;
  Decoder decoder_;
  Matrix z_;          // [B, K + 1], column K is 1
  Matrix deviation_;  // exp(ls), [B, half]
  Matrix noise_;      // [B, K]
  Matrix z_gradient_;
  std::vector<double> reconstruction_, divergence_;
};

}  // namespace clary::ntm
