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
  double value = 0;        // the criterion at that threshold, higher is better
  bool target_met = true;  // false: no threshold reaches target_recall / target_precision; value is then the reachable
                           // recall / precision
};

/// Rows with score >= threshold are labelled 1. Considers the midpoints between distinct neighbouring scores and both
/// ends; ties go to the cut nearest to 0.5, then to the lower one. O(N log N).
/// For the two criteria that are a loss the threshold is 0.5 and the value is the accuracy there: their loss is the
/// caller's to compute.
/// @param scores  p, or raw f for hinge_loss
/// @param labels  0 or 1
ThresholdChoice choose_threshold(const Hyperparameters& hyperparameters, std::span<const float> scores,
                                 std::span<const float> labels);

}  // namespace clary::linear_learner
