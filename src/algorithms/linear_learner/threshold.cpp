// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/threshold.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "algorithms/linear_learner/ranking.h"

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
double value_of(const Hyperparameters& h, const Confusion& c) {
  switch (h.binary_classifier_model_selection_criteria) {
    case Criterion::kFBeta:
      return c.f(h.f_beta);
    case Criterion::kF1:
      return c.f(1);
    case Criterion::kPrecisionAtTargetRecall:
      return c.recall() >= h.target_recall ? c.precision() : c.recall() - 1;
    case Criterion::kRecallAtTargetPrecision:
      return c.precision() >= h.target_precision ? c.recall() : c.precision() - 1;
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

/// The threshold that calls exactly the rows from `first` on positive.
double cut_before(const std::vector<RankedScore>& rows, std::size_t first) {
  if (first == 0) return std::min(kDefaultThreshold, static_cast<double>(rows.front().score()));
  const float below = rows[first - 1].score();
  if (first < rows.size()) return (static_cast<double>(below) + rows[first].score()) / 2;
  if (below < kDefaultThreshold) return kDefaultThreshold;
  return std::nextafter(below, std::numeric_limits<float>::infinity());
}

ThresholdChoice at_default(const Hyperparameters& h, std::span<const float> scores, std::span<const float> labels) {
  Confusion c;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const bool called = scores[i] >= kDefaultThreshold, positive = labels[i] > 0.5f;
    ++(called ? (positive ? c.true_positive : c.false_positive) : (positive ? c.false_negative : c.true_negative));
  }
  return {kDefaultThreshold, value_of(h, c), true};
}

ThresholdChoice best_cut(const Hyperparameters& h, const std::vector<RankedScore>& rows) {
  Confusion c;  // of the cut before row i; the first calls every row positive
  for (const RankedScore& row : rows) ++(row.positive() ? c.true_positive : c.false_positive);
  ThresholdChoice best{.value = -std::numeric_limits<double>::infinity()};
  for (std::size_t i = 0;; ++i) {
    if (i == 0 || i == rows.size() || rows[i - 1].key() != rows[i].key()) {
      const double value = value_of(h, c);
      if (value >= best.value) {
        const double threshold = cut_before(rows, i);
        const bool nearer = std::abs(threshold - kDefaultThreshold) < std::abs(best.threshold - kDefaultThreshold);
        if (value > best.value || nearer) best = {threshold, value, value >= 0};
      }
    }
    if (i == rows.size()) return best;
    if (rows[i].positive())
      --c.true_positive, ++c.false_negative;
    else
      --c.false_positive, ++c.true_negative;
  }
}

}  // namespace

ThresholdChoice choose_threshold(const Hyperparameters& hyperparameters, std::span<const float> scores,
                                 std::span<const float> labels) {
  if (!std::all_of(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); }))
    return {.value = -std::numeric_limits<double>::infinity(), .target_met = false};
  if (scores.empty()) return {};
  if (!is_tuned(hyperparameters.binary_classifier_model_selection_criteria))
    return at_default(hyperparameters, scores, labels);
  return best_cut(hyperparameters, ranked(scores, labels));
}

}  // namespace clary::linear_learner
