// SPDX-License-Identifier: Apache-2.0
// The encoder: word counts -> (mean, log sigma) of a document's topic vector, and its gradients. The first layer is a
// sum of embedding rows, so the vocabulary never appears as a dense axis of a batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/ntm/data/documents.h"
#include "algorithms/ntm/model/parameters.h"
#include "learning/numeric/team.h"

namespace clary::ntm {

using numeric::share;
using numeric::Team;

/// The words that occur in a batch, with their documents: the batch's transpose. Words are divided among threads by
/// fixed borders, so each row of the embedding has one owner for gradient and update.
class WordIndex {
 public:
  struct Share {
    std::vector<std::int32_t> words;    // distinct, in order of first occurrence
    std::vector<std::int64_t> offsets;  // words + 1
    std::vector<std::int32_t> documents;
    std::vector<float> counts;
    Matrix gradient;                 // [words, H_1]
    std::vector<std::int32_t> slot;  // by word - begin: 1 + position in words; all 0 between batches
  };

  /// @param borders  threads + 1 ascending word ids, from 0 to V
  explicit WordIndex(std::vector<std::int64_t> borders) : borders_(std::move(borders)), shares_(borders_.size() - 1) {}
  WordIndex() = default;

  /// Collects thread t's words of the batch.
  void build(int thread, std::span<const Document> documents);
  int threads() const { return static_cast<int>(shares_.size()); }
  Share& share(int thread) { return shares_[static_cast<std::size_t>(thread)]; }
  const Share& share(int thread) const { return shares_[static_cast<std::size_t>(thread)]; }
  std::pair<std::int64_t, std::int64_t> range(int thread) const {
    const auto t = static_cast<std::size_t>(thread);
    return {borders_[t], borders_[t + 1]};
  }

 private:
  std::vector<std::int64_t> borders_;
  std::vector<Share> shares_;
};

/// Borders that give each of `threads` about the same number of occurrences (count of documents by word).
std::vector<std::int64_t> balanced_borders(std::span<const std::int64_t> occurrences, int threads);

class Encoder {
 public:
  /// kBatch: batch norm takes the batch's own statistics (training); kRunning: the stored ones.
  enum class Statistics { kBatch, kRunning };

  /// Fills output(): [B, 2 half], mean and log sigma.
  void forward(std::span<const Document> documents, const Parameters& p, Statistics statistics, Team& team);
  const Matrix& output() const { return head_; }

  /// d loss / d output() goes in here before backward().
  Matrix& output_gradient() { return head_gradient_; }

  /// Overwrites every dense gradient but the decoder's, and the gradients of `index`.
  void backward(std::span<const Document> documents, const Parameters& p, Team& team, Parameters& gradient,
                WordIndex& index);

  /// Means and variances of the last forward(kBatch), per layer; for the running averages.
  const std::vector<Matrix>& batch_mean() const { return batch_mean_; }
  const std::vector<Matrix>& batch_variance() const { return batch_variance_; }

 private:
  void reserve(std::int64_t rows, const Shape& shape);
  void affine(std::size_t layer, std::span<const Document> documents, const Parameters& p, std::int64_t from,
              std::int64_t to);
  void finish_layer(std::size_t layer, const Parameters& p, std::int64_t from, std::int64_t to);
  void normalise_batch(std::size_t layer, const Parameters& p, std::int64_t from, std::int64_t to);
  void normalise_running(std::size_t layer, const Parameters& p, std::int64_t from, std::int64_t to);
  void normalise_backward(std::size_t layer, Matrix& shift_gradient, std::int64_t from, std::int64_t to);
  void transpose_weights(const Parameters& p, Team& team);

  std::int64_t rows_ = 0;
  kernels::Activation activation_ = kernels::Activation::kSigmoid;
  std::vector<Matrix> layers_;      // activations [B, H_l + 1]; column H_l is 1
  std::vector<Matrix> delta_;       // [B, H_l]
  std::vector<Matrix> normalised_;  // batch norm: (a - mean) / deviation
  std::vector<Matrix> batch_mean_, batch_variance_;
  std::vector<Matrix> transposed_;  // [H_(l+1), H_l] of each dense layer, the head last
  Matrix head_, head_gradient_;
  Floats ones_;
};

constexpr float kBatchNormEpsilon = 1e-3f;  // MXNet 1.3.1 BatchNorm
constexpr float kBatchNormMomentum = 0.9f;

}  // namespace clary::ntm
