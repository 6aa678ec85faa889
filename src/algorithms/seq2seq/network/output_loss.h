// SPDX-License-Identifier: Apache-2.0
// Output layer and loss: logits = W x + b of every label that is not padding, cross-entropy, and the gradients, by
// slices of labels, so that logits exist for one slice at a time. Letters: V words, L labels of a batch, d width of a
// feature.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/kernels/rows.h"
#include "algorithms/seq2seq/network/parts.h"
#include "algorithms/seq2seq/network/products.h"

namespace clary::seq2seq {

class OutputLoss {
 public:
  explicit OutputLoss(const Architecture& architecture)
      : words_(architecture.target_vocabulary), width_(architecture.decoder_width()) {}

  /// @param features  [T * B, d]
  Score evaluate(const Pass& pass, std::span<const float> features);
  /// Loss and gradients of the mean over the labels.
  /// @return gradient of the features [T * B, d], zero in rows of padding; stays until the next call
  std::span<const float> train(const Pass& pass, std::span<const float> features, std::span<float> gradients,
                               Score& score);

  /// Numbers that a pass takes memory for.
  static std::int64_t floats(const Architecture& architecture, std::int64_t rows, std::int64_t target_steps);

 private:
  void gather(const Pass& pass, std::span<const float> features);
  void scatter_gradient(const Pass& pass);
  void slice_logits(const Pass& pass, std::int64_t first, std::int64_t n);
  void slice_losses(const Pass& pass, std::int64_t first, std::int64_t n, float scale);
  Score sum(const Pass& pass) const;

  std::int64_t words_, width_;
  std::vector<std::int64_t> rows_;           // of each label
  std::vector<kernels::LabelScore> scores_;  // of each label
  Matrix gathered_, gathered_gradient_;      // [L, d]
  Matrix feature_gradient_;                  // [T * B, d]
  Matrix logits_;                            // [slice, V]
};

}  // namespace clary::seq2seq
