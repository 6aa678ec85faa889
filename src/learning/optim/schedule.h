// SPDX-License-Identifier: Apache-2.0
// How learning rates fall. Functions of a count of updates or rows that the caller keeps, and a rule about judgements.
#pragma once

#include <algorithm>
#include <cmath>
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

/// Falls as 1 / t: half the rate after `half_life` updates. @param t  updates, this one included
inline double inverse_rate(double rate, double half_life, std::int64_t t) {
  return rate / (1 + static_cast<double>(t) / half_life);
}

/// Falls as 1 / sqrt(t): half the rate after `half_life` updates.
inline double inverse_square_root_rate(double rate, double half_life, std::int64_t t) {
  return rate / std::sqrt(1 + 3 * static_cast<double>(t) / half_life);
}

/// Lowers a rate whenever `patience` judgements in a row were no improvement.
class PlateauSchedule {
 public:
  PlateauSchedule(std::int64_t patience, double factor) : patience_(patience), factor_(factor) {}

  /// After a judgement. @return the rate to go on with
  double next(double rate, bool improved) {
    idle_ = improved ? 0 : idle_ + 1;
    if (idle_ < patience_) return rate;
    idle_ = 0;
    return rate * factor_;
  }
  /// Judgements since the last improvement or lowering.
  std::int64_t idle() const { return idle_; }
  /// Goes on where another object was.
  void restore(std::int64_t idle) { idle_ = idle; }

 private:
  std::int64_t patience_;
  double factor_;
  std::int64_t idle_ = 0;
};

}  // namespace clary::optim
