// SPDX-License-Identifier: Apache-2.0
// The decision threshold of a binary classifier: the cut that is best for the selection criterion, by a deterministic
// search over the sorted scores. Called for every candidate after every epoch.
#pragma once

#include <span>

#include "algorithms/linear_learner/hyperparameters.h"

namespace clary::linear_learner {

inline constexpr double kDefaultThreshold = 0.5;

struct ThresholdChoice {
  double threshold = kDefaultThreshold;
  /// The criterion at that threshold, higher is better, so that candidates can be compared by it. Negative when no
  /// threshold reaches target_recall or target_precision: what is reached, minus 1. -infinity for scores that are not
  /// finite (a candidate that diverged).
  double value = 0;
  bool target_met = true;
};

/// Rows with score >= threshold are labelled 1. Considers the midpoints between distinct neighbouring scores and both
/// ends (an end is 0.5 where that is beyond all scores); ties go to the cut nearest to 0.5, then to the lower one.
/// Where a target cannot be reached, the cut with the highest recall (or precision) is taken. O(N).
/// For the two criteria that are a loss the threshold is 0.5 and the value is the accuracy there: their loss is the
/// caller's to compute.
/// @param scores  p, or raw f for hinge_loss
/// @param labels  0 or 1
ThresholdChoice choose_threshold(const Hyperparameters& hp, std::span<const float> scores,
                                 std::span<const float> labels);

}  // namespace clary::linear_learner
