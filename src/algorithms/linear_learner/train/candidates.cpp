// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/candidates.h"

#include <array>
#include <cmath>

namespace clary::linear_learner {
namespace {

constexpr std::int64_t kGrid = 32;
constexpr std::array<double, 4> kDecays{1e-4, 1e-2, 1, 10};

/// Place in the grid of the i-th of n candidates: all of it in order, or, for fewer, learning rate and penalty first.
/// Bits of the place: scheduler, l1, learning rate, two bits of weight decay.
std::int64_t grid_place(std::int64_t i, std::int64_t n) {
  if (n >= kGrid) return i % kGrid;
  const std::int64_t rate = 1 - (i & 1), decay = (i >> 1) & 3, scheduler = 1 - ((i >> 3) & 1), l1 = (i >> 4) & 1;
  return scheduler | l1 << 1 | rate << 2 | decay << 3;
}

CandidateSettings grid_settings(std::int64_t place) {
  CandidateSettings s;
  s.lr_scheduler_step = (place & 1) ? 100 : 10;
  s.lr_scheduler_factor = 0.99;
  s.lr_scheduler_minimum_lr = (place & 1) ? 1e-5 : 1e-4;
  s.learning_rate = (place & 4) ? 0.1 : 0.005;
  s.wd = kDecays[static_cast<std::size_t>(place >> 3)];
  return s;
}

double positive_weight(const Hyperparameters& hp, double balanced, std::int64_t i) {
  if (!hp.is_binary()) return 1;
  if (hp.positive_example_weight_mult == kBalancedWeight) return balanced;
  if (hp.positive_example_weight_mult != kAutomaticWeight) return hp.positive_example_weight_mult;
  // A third of the candidates each: unweighted, by the root of the ratio of classes, balanced.
  return i % 3 == 0 ? 1 : i % 3 == 1 ? std::sqrt(balanced) : balanced;
}

}  // namespace

// Few updates need larger steps.
double single_learning_rate(std::int64_t planned_updates) {
  return planned_updates < 300 ? 0.1 : planned_updates <= 3000 ? 0.03 : 0.01;
}

std::vector<CandidateSettings> candidate_grid(const Hyperparameters& hp, std::int64_t planned_updates,
                                              double balanced_weight) {
  std::vector<CandidateSettings> out;
  const std::int64_t n = hp.models();
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t place = grid_place(i, n);
    CandidateSettings s = grid_settings(place);
    if (n == 1) {
      s = {};
      s.wd = 1e-4;
      s.learning_rate = single_learning_rate(planned_updates);
    }
    // Beyond the grid: the same places again, half a step of the rate away for each round.
    s.learning_rate *= std::pow(0.5, static_cast<double>(i / kGrid));
    s.id = static_cast<int>(i);
    s.optimizer = hp.optimizer;
    // A given hyperparameter holds for all candidates and takes its axis out of the grid.
    s.learning_rate = hp.learning_rate.value_or(s.learning_rate);
    s.wd = hp.wd.value_or(s.wd);
    s.l1 = hp.l1.value_or(n > 1 && (place & 2) ? s.wd / 100 : 0);
    s.momentum = hp.momentum.value_or(0);
    s.beta_1 = hp.beta_1.value_or(0.9);
    s.beta_2 = hp.beta_2.value_or(0.999);
    s.use_lr_scheduler = hp.use_lr_scheduler;
    s.lr_scheduler_step = hp.lr_scheduler_step.value_or(s.lr_scheduler_step);
    s.lr_scheduler_factor = hp.lr_scheduler_factor.value_or(s.lr_scheduler_factor);
    s.lr_scheduler_minimum_lr = hp.lr_scheduler_minimum_lr.value_or(s.lr_scheduler_minimum_lr);
    s.positive_weight = positive_weight(hp, balanced_weight, i);
    out.push_back(s);
  }
  return out;
}

}  // namespace clary::linear_learner
