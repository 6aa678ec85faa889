// SPDX-License-Identifier: Apache-2.0
// The learned numbers of one linear model, and the settings of one candidate of the parallel search.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/linear_learner/hyperparameters.h"

namespace clary::linear_learner {

/// f = x W + b on raw (unscaled) features. D features, K outputs (1, or the number of classes).
struct Weights {
  std::int64_t features = 0;  // D
  std::int64_t outputs = 0;   // K
  std::vector<float> weight;  // [D, K], row-major
  std::vector<float> bias;    // [K]
};

struct Scaler;

/// Weights of the scaled problem [D, K] and biases [K] to weights on raw features, in double:
/// w_j = s_y w'_j / s_j, b = m_y + s_y (b' - sum_j w'_j m_j / s_j).
Weights unscaled(const Scaler& scaler, std::span<const float> weight, std::span<const float> bias,
                 std::int64_t outputs);

struct CandidateSettings {
  int id = 0;
  Optimizer optimizer = Optimizer::kAdam;
  double learning_rate = 0, l1 = 0, wd = 0;
  double momentum = 0, beta_1 = 0.9, beta_2 = 0.999;
  bool use_lr_scheduler = true;
  std::int64_t lr_scheduler_step = 100;  // updates
  double lr_scheduler_factor = 0.99, lr_scheduler_minimum_lr = 1e-5;
  double positive_weight = 1;
};

}  // namespace clary::linear_learner
