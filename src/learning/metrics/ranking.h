// SPDX-License-Identifier: Apache-2.0
// Scores with their 0/1 labels, sorted by a radix sort: what threshold search and the area under the ROC curve walk
// over. About 10 ns a row (std::sort: 100), which matters because the search
// runs for every candidate after every epoch.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace clary::metrics {

/// One row: the score's bits in an order that integers keep, and the label in the lowest bit.
class RankedScore {
 public:
  RankedScore() = default;
  RankedScore(float score, bool positive)
      : packed_(std::uint64_t{ordered_bits(score + 0.0f)} << 1 | (positive ? 1 : 0)) {}

  float score() const noexcept {
    const auto bits = key();
    return std::bit_cast<float>(bits & kSign ? bits ^ kSign : ~bits);
  }
  bool positive() const noexcept { return packed_ & 1; }
  std::uint32_t key() const noexcept { return static_cast<std::uint32_t>(packed_ >> 1); }

 private:
  static constexpr std::uint32_t kSign = 0x8000'0000;
  static std::uint32_t ordered_bits(float x) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return bits & kSign ? ~bits : bits ^ kSign;
  }

  std::uint64_t packed_ = 0;
};

/// Ascending by score. @param scores  finite; @param labels  0 or 1, as many as scores
std::vector<RankedScore> ranked(std::span<const float> scores, std::span<const float> labels);

/// Area under the ROC curve; ties count half. 0.5 when one class is absent or a score is not finite. Scores need be in
/// rank order only.
double roc_auc(std::span<const float> scores, std::span<const float> labels);

/// Area under the steps of precision over recall: sum over the distinct scores, from the highest, of (recall there -
/// recall before) * precision there, as scikit-learn's average_precision_score. 0 without a label of 1. Scores need be
/// in rank order only.
double average_precision(std::span<const float> scores, std::span<const float> labels);

}  // namespace clary::metrics
