// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/evaluate/ranking.h"

#include <array>
#include <utility>

namespace clary::linear_learner {

std::vector<RankedScore> ranked(std::span<const float> scores, std::span<const float> labels) {
  constexpr int kBits = 11, kDigits = 3;  // 33 >= 32 bits
  constexpr std::uint32_t kBuckets = 1u << kBits;
  const auto digit = [](RankedScore row, int d) { return row.key() >> (d * kBits) & (kBuckets - 1); };

  std::vector<RankedScore> rows(scores.size()), other(scores.size());
  std::array<std::array<std::size_t, kBuckets>, kDigits> starts{};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    rows[i] = RankedScore(scores[i], labels[i] > 0.5f);
    for (int d = 0; d < kDigits; ++d) ++starts[static_cast<std::size_t>(d)][digit(rows[i], d)];
  }
  for (int d = 0; d < kDigits; ++d) {
    auto& start = starts[static_cast<std::size_t>(d)];
    std::size_t at = 0;
    for (std::size_t& count : start) at += std::exchange(count, at);
    for (const RankedScore row : rows) other[start[digit(row, d)]++] = row;
    rows.swap(other);
  }
  return rows;
}

}  // namespace clary::linear_learner
