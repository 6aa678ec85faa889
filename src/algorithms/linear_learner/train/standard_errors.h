// SPDX-License-Identifier: Apache-2.0
// How sure the coefficients are: standard errors from the inverse of the loss's Hessian at the fitted weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/linear_learner/data/rows.h"
#include "algorithms/linear_learner/data/scaler.h"
#include "algorithms/linear_learner/hyperparameters.h"
#include "learning/collective/collective.h"

namespace clary::linear_learner {

struct StandardErrors {
  std::vector<float> weight;  // [D], of the weights on raw features; NaN where the data say nothing (a constant column)
  std::vector<float> bias;    // [1], or empty without a bias
};

/// Covariance of the weights, with z a scaled row and 1 behind it:
///   logistic      (sum_i v_i p_i (1 - p_i) z_i z_i^T + N wd I)^-1,  v_i the weight of positive rows
///   squared_loss  s^2 (sum_i z_i z_i^T + N wd/2 I)^-1,  s^2 = sum_i e_i^2 / (N - number of weights)
/// The penalty wd acts on weights only, as in training. Rows of all hosts count; all call it.
/// Source: McCullagh and Nelder, Generalized Linear Models, 2.5. Empty for other losses, many classes, more than
/// kMostFeatures features, or data so large that it would take longer than a second.
/// @param rows    this host's training rows, scaled
/// @param f       [N] raw outputs for them, on the label's own scale
/// @param labels  [N], on their own scale
StandardErrors standard_errors(const Hyperparameters& hp, const Rows& rows, const Scaler& scaler,
                               std::span<const float> f, std::span<const float> labels, double wd,
                               double positive_weight, collective::Collective& hosts);

}  // namespace clary::linear_learner
