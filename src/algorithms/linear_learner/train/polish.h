// SPDX-License-Identifier: Apache-2.0
// The deterministic end of a training: all losses are convex, so the chosen candidate is taken to the minimum of
//   mean loss + wd/2 |w|^2 + l1 |w|_1
// over all training rows, which stochastic steps only come near to. Losses with a kink are smoothed for the solver, in
// steps of less and less smoothing.
#pragma once

#include <functional>
#include <vector>

#include "algorithms/linear_learner/model/weights.h"
#include "algorithms/linear_learner/train/learner.h"
#include "algorithms/linear_learner/train/objective.h"
#include "learning/collective/collective.h"

namespace clary::linear_learner {

/// One candidate on its own: [D, K] and [K].
struct Solution {
  std::vector<float> weight, bias;
};

/// What is minimised: the mean over all hosts' rows.
struct PolishTask {
  Objective* objective;  // of one candidate, with its weights of classes and positives
  const Rows* rows;      // this host's
  double decay = 0, l1 = 0;
  bool use_bias = true;  // false: biases stay what they are
  collective::Collective* hosts;
  std::function<bool()> stop;
  std::int64_t passes = 0;  // over the rows that may be spent at least (see iterations())
};

/// @param roughly  stop early: for comparing penalties
Solution polish(const PolishTask& task, Solution start, bool roughly = false);

/// Mean loss (without penalty) of rows that were left out, over `folds` parts of the rows: for choosing a penalty when
/// data are few.
double held_out_loss(const PolishTask& task, const Solution& start, int folds);

}  // namespace clary::linear_learner
