// SPDX-License-Identifier: Apache-2.0
#include "learning/metrics/ranking.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace clary::metrics {

// Radix sort by three digits of 11 bits, least significant first, stable: linear in the rows, several times faster
// than a comparison sort for the millions of scores of an evaluation. key() maps floats to integers of the same order.
std::vector<RankedScore> ranked(std::span<const float> scores, std::span<const float> labels) {
  constexpr int kBits = 11, kDigits = 3;  // 33 >= 32 bits
  constexpr std::uint32_t kBuckets = 1u << kBits;
  const auto digit = [](RankedScore row, int d) { return row.key() >> (d * kBits) & (kBuckets - 1); };

  std::vector<RankedScore> rows(scores.size()), other(scores.size());
  std::array<std::array<std::size_t, kBuckets>, kDigits> starts{};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    // All three histograms in one pass.
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

// The probability that a random positive ranks above a random negative (Mann-Whitney), with ties counted half: Hanley
// & McNeil, Radiology 143 (1982).
double roc_auc(std::span<const float> scores, std::span<const float> labels) {
  if (!std::all_of(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); })) return 0.5;
  const auto rows = ranked(scores, labels);
  double positives = 0, negatives = 0, pairs = 0;  // pairs: a positive above a negative; ties count half
  for (std::size_t i = 0; i < rows.size();) {
    double tied_positives = 0, tied_negatives = 0;
    // All rows of one score at once, so that their order among each other plays no part.
    for (const auto key = rows[i].key(); i < rows.size() && rows[i].key() == key; ++i)
      ++(rows[i].positive() ? tied_positives : tied_negatives);
    pairs += tied_positives * (negatives + tied_negatives / 2);
    positives += tied_positives, negatives += tied_negatives;
  }
  // Only one class: 0.5, no preference.
  return positives > 0 && negatives > 0 ? pairs / (positives * negatives) : 0.5;
}

double average_precision(std::span<const float> scores, std::span<const float> labels) {
  if (!std::all_of(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); })) return 0;
  const auto rows = ranked(scores, labels);
  double positives = 0, taken = 0, area = 0;  // positives: among those taken
  for (std::size_t i = rows.size(); i > 0;) {
    const double before = positives;
    for (const auto key = rows[i - 1].key(); i > 0 && rows[i - 1].key() == key; --i)
      positives += rows[i - 1].positive() ? 1 : 0, taken += 1;
    area += (positives - before) * positives / taken;
  }
  return positives > 0 ? area / positives : 0;
}

}  // namespace clary::metrics
