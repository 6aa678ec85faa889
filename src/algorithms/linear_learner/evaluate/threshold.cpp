// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/evaluate/threshold.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "algorithms/linear_learner/evaluate/ranking.h"

namespace clary::linear_learner {
namespace {

/// Counts of one cut: rows at or above it are called positive.
struct Confusion {
  double true_positive = 0, false_positive = 0, false_negative = 0, true_negative = 0;

  double accuracy() const { return (true_positive + true_negative) / rows(); }
  double precision() const { return ratio(true_positive, true_positive + false_positive); }
  double recall() const { return ratio(true_positive, true_positive + false_negative); }
  double f(double beta) const {
    const double b2 = beta * beta;
    return ratio((1 + b2) * true_positive, (1 + b2) * true_positive + b2 * false_negative + false_positive);
  }

 private:
  double rows() const { return true_positive + false_positive + false_negative + true_negative; }
  static double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }
};

/// The criterion; where it has a target that the cut misses, what is reached minus 1, which ranks below every cut that
/// meets it.
double value_of(const Hyperparameters& hp, const Confusion& c) {
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
  return c.accuracy();
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
  if (first == 0) return std::min(kDefaultThreshold, static_cast<double>(rows.front().score()));
  const float below = rows[first - 1].score();
  if (first < rows.size()) return (static_cast<double>(below) + rows[first].score()) / 2;
  if (below < kDefaultThreshold) return kDefaultThreshold;
  return std::nextafter(below, std::numeric_limits<float>::infinity());
}

ThresholdChoice at_default(const Hyperparameters& hp, std::span<const float> scores, std::span<const float> labels) {
  Confusion c;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const bool called = scores[i] >= kDefaultThreshold, positive = labels[i] > 0.5f;
    ++(called ? (positive ? c.true_positive : c.false_positive) : (positive ? c.false_negative : c.true_negative));
  }
  return {kDefaultThreshold, value_of(hp, c), true};
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
    if (accuracy && right < most_right) continue;
    if (!is_cut(rows, static_cast<std::size_t>(i))) continue;
    most_right = right;
    const Confusion c{static_cast<double>(above), static_cast<double>(n - i - above), static_cast<double>(below),
                      static_cast<double>(i - below)};
    const double value = value_of(hp, c);
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
  if (!all_finite(scores)) return {.value = -std::numeric_limits<double>::infinity(), .target_met = false};
  if (scores.empty()) return {};
  if (!is_tuned(hp.binary_classifier_model_selection_criteria)) return at_default(hp, scores, labels);
  return best_cut(hp, ranked(scores, labels));
}

}  // namespace clary::linear_learner
