// SPDX-License-Identifier: Apache-2.0
// How learning rates fall. Pure functions: who counts updates or rows keeps the count.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace clary::optim {

/// MXNet's FactorScheduler: every `step` updates the rate is multiplied by `factor`, down to `minimum`.
struct StepSchedule {
  std::int64_t step = 1;
  double factor = 1, minimum = 0;

  /// The rate of update t (from 1) after that of update t - 1. A rate that began below the minimum stays.
  double next(double rate, std::int64_t t) const {
    if (t <= 1 || (t - 1) % step != 0) return rate;
    return std::max(rate * factor, std::min(rate, minimum));
  }
};

/// A straight line from `rate` at progress 0 to 0 at progress 1, never below rate * floor.
inline double linear_rate(double rate, double floor, double progress) {
  return rate * std::max(1 - std::min(progress, 1.0), floor);
}

/// Multiplied by `factor` at the start of each of the epochs `steps` (counted from 0, in any order); each counts once
/// for every time that it is listed.
inline double stepped_rate(double rate, double factor, std::span<const std::int64_t> steps, std::int64_t epoch) {
  for (const std::int64_t step : steps)
    if (step <= epoch) rate *= factor;
  return rate;
}

}  // namespace clary::optim
