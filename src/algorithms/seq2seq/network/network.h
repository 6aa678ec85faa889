// SPDX-License-Identifier: Apache-2.0
// The encoder-decoder under training: loss and gradients of a batch by chains derived by hand (README.md has the
// formulas). A network belongs to one thread, which lends it its team; nothing here does I/O or looks at a clock. The
// result depends on the number of threads but never on timing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "algorithms/seq2seq/data/batch.h"
#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"
#include "learning/numeric/team.h"

namespace clary::seq2seq {

/// Shares of numbers that a training step sets to zero; what remains is divided by 1 - share.
struct Dropout {
  double embed_source = 0, embed_target = 0;
  double decoder_hidden = 0;  // of [r ; c] before the attentional vector: recurrent decoder
  double cnn_hidden = 0;      // of each block's input: convolutional decoder
};

/// Sums over the labels of one or more batches.
struct Score {
  double nats = 0;  // -ln max(p(label), 1e-10)
  std::int64_t labels = 0, correct = 0;

  Score& operator+=(const Score& other) {
    nats += other.nats, labels += other.labels, correct += other.correct;
    return *this;
  }
  double perplexity() const;  // exp(nats / labels)
  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(labels); }
};

class Network {
 public:
  /// `architecture` is copied; the team must outlive the network.
  Network(const Architecture& architecture, const Dropout& dropout, numeric::Team& team);
  Network(Network&&) noexcept;
  ~Network();

  /// Loss of the batch, and its gradient: of the mean over the batch's labels of -ln p(label).
  /// @param dropout_seed  decides which numbers are dropped; another one for each step
  /// @param gradients     as parameters.values(): overwritten, padding zero
  Score train(const Parameters& parameters, const Batch& batch, std::uint64_t dropout_seed, std::span<float> gradients);
  /// Loss without dropout.
  Score evaluate(const Parameters& parameters, const Batch& batch);

  /// Bytes that training takes for a batch of such a size, besides parameters, gradients and optimizer.
  static std::int64_t bytes(const Architecture& architecture, std::int64_t rows, std::int64_t source_steps,
                            std::int64_t target_steps);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace clary::seq2seq
