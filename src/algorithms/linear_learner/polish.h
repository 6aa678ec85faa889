// SPDX-License-Identifier: Apache-2.0
// The deterministic end of a training: all losses are convex, so the chosen candidate is taken to the minimum of
//   mean loss + wd/2 |w|^2 + l1 |w|_1
// over all training rows, which stochastic steps only come near to. Losses with a kink are smoothed for the solver, in
// steps of less and less smoothing.
#pragma once

#include <functional>
#include <vector>

#include "algorithms/linear_learner/learner.h"
#include "algorithms/linear_learner/objective.h"
#include "algorithms/linear_learner/weights.h"
#include "learning/collective/collective.h"

namespace clary::linear_learner {

/// One candidate on its own: [D, K] and [K].
struct Solution {
  std::vector<float> weight, bias;
};

/// @param objective  of one candidate, with its weights of classes and positives
/// @param rows  this host's training rows; the sum over hosts is minimised
/// @param use_bias  false: biases stay what they are
Solution polish(Objective& objective, const Rows& rows, const CandidateSettings& settings, bool use_bias,
                Solution start, collective::Collective& hosts, const std::function<bool()>& stop);

}  // namespace clary::linear_learner
