// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/evaluate/threshold.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "learning/metrics/class_counts.h"
#include "learning/metrics/ranking.h"

namespace clary::linear_learner {
namespace {

using metrics::ClassCounts;
using metrics::ranked;
using metrics::RankedScore;

/// The criterion; where it has a target that the cut misses, what is reached minus 1, which ranks below every cut that
/// meets it.
/// @param c  of the positive class: rows at or above the cut are predicted to be of it
double value_of(const Hyperparameters& hp, const ClassCounts& c, std::size_t rows) {
  switch (hp.binary_classifier_model_selection_criteria) {
    case Criterion::kFBeta:
      return c.f(hp.f_beta);
    case Criterion::kF1:
      return c.f(1);
    case Criterion::kPrecisionAtTargetRecall:
      return c.recall() >= hp.target_recall ? c.precision() : c.recall() - 1;
    case Criterion::kRecallAtTargetPrecision:
      return c.precision() >= hp.target_precision ? c.recall() : c.precision() - 1;
    case Criterion::kAccuracy:
    case Criterion::kLossFunction:
    case Criterion::kCrossEntropyLoss:
      break;
  }
  // Accuracy: all rows less the missed positives and the false alarms.
  const double missed = c.labelled - c.right, false_alarms = c.predicted - c.right;
  return (static_cast<double>(rows) - missed - false_alarms) / static_cast<double>(rows);
}

bool is_tuned(Criterion criterion) {
  return criterion != Criterion::kLossFunction && criterion != Criterion::kCrossEntropyLoss;
}

/// Rows with equal scores cannot be parted.
bool is_cut(const std::vector<RankedScore>& rows, std::size_t i) {
  return i == 0 || i == rows.size() || rows[i - 1].key() != rows[i].key();
}

/// The threshold that calls exactly the rows from `first` on positive.
double cut_before(const std::vector<RankedScore>& rows, std::size_t first) {
  // The least of the scores and the default: every row is called positive.
  if (first == 0) return std::min(kDefaultThreshold, static_cast<double>(rows.front().score()));
  const float below = rows[first - 1].score();
  // Halfway between neighbours, so that new rows near a score are not decided by rounding.
  if (first < rows.size()) return (static_cast<double>(below) + rows[first].score()) / 2;
  if (below < kDefaultThreshold) return kDefaultThreshold;
  return std::nextafter(below, std::numeric_limits<float>::infinity());
}

ThresholdChoice at_default(const Hyperparameters& hp, std::span<const float> scores, std::span<const float> labels) {
  ClassCounts classes[2];
  for (std::size_t i = 0; i < scores.size(); ++i)
    metrics::add_row(classes, labels[i] > 0.5f, scores[i] >= kDefaultThreshold);
  return {kDefaultThreshold, value_of(hp, classes[1], scores.size()), true};
}

/// Over the bits, which is a vector operation: all of the exponent set means infinite or NaN.
bool all_finite(std::span<const float> values) {
  std::uint32_t most = 0;
  for (const float x : values) most = std::max(most, std::bit_cast<std::uint32_t>(x) & 0x7fff'ffffu);
  return most < 0x7f80'0000u;
}

ThresholdChoice best_cut(const Hyperparameters& hp, const std::vector<RankedScore>& rows) {
  const auto n = static_cast<std::int64_t>(rows.size());
  std::int64_t positives = 0;
  for (const RankedScore& row : rows) positives += row.positive();
  ThresholdChoice best{.value = -std::numeric_limits<double>::infinity()};
  const bool accuracy = hp.binary_classifier_model_selection_criteria == Criterion::kAccuracy;
  std::int64_t below = 0;       // positives before the cut
  std::int64_t most_right = 0;  // a cut with fewer right rows need not be looked at closer when accuracy decides
  for (std::int64_t i = 0; i <= n; ++i) {
    if (i > 0) below += rows[static_cast<std::size_t>(i - 1)].positive();
    const std::int64_t above = positives - below, right = above + (i - below);
    // Skips the division and comparison for most cuts.
    if (accuracy && right < most_right) continue;
    if (!is_cut(rows, static_cast<std::size_t>(i))) continue;
    most_right = right;
    const ClassCounts c{static_cast<double>(positives), static_cast<double>(n - i), static_cast<double>(above)};
    const double value = value_of(hp, c, rows.size());
    // Equal values: the threshold nearest to the default wins.
    if (value < best.value) continue;
    const double threshold = cut_before(rows, static_cast<std::size_t>(i));
    const bool nearer = std::abs(threshold - kDefaultThreshold) < std::abs(best.threshold - kDefaultThreshold);
    if (value > best.value || nearer) best = {threshold, value, value >= 0};
  }
  return best;
}

}  // namespace

ThresholdChoice choose_threshold(const Hyperparameters& hp, std::span<const float> scores,
                                 std::span<const float> labels) {
  // Diverged candidates lose against every finite one.
  if (!all_finite(scores)) return {.value = -std::numeric_limits<double>::infinity(), .target_met = false};
  if (scores.empty()) return {};
  if (!is_tuned(hp.binary_classifier_model_selection_criteria)) return at_default(hp, scores, labels);
  return best_cut(hp, ranked(scores, labels));
}

}  // namespace clary::linear_learner
