// SPDX-License-Identifier: Apache-2.0
// The losses of one row, exactly as published (README.md, "Losses"; there is no 1/2 in the squared loss), in double.
// The kernels compute the same for many rows; their tests compare them with these, and these with central differences.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/linear_learner/kernels/kernels.h"

namespace clary::linear_learner {

struct LossAndSlope {
  double loss = 0;
  double slope = 0;  // d loss / d f; at a kink the one-sided value nearest to zero, or one of the two
};

/// Every loss but softmax. @param f raw output, @param y label (0 or 1 for the two-class losses, whose rows of label 1
/// are multiplied by `positive_weight`)
LossAndSlope row_loss(const kernels::LossRule& rule, double f, double y, double positive_weight = 1);

/// -log softmax(f)[label]; slopes [K] are written when the span is not empty.
double softmax_loss(std::span<const double> f, std::int64_t label, std::span<double> slopes = {});

}  // namespace clary::linear_learner
