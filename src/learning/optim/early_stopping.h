// SPDX-License-Identifier: Apache-2.0
// Stops a training after `patience` judgements in a row that were no improvement on the best.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

namespace clary::optim {

class EarlyStopping {
 public:
  enum class Better { kHigher, kLower };

  /// @param tolerance  an improvement is at least this part of the best value's size; absent: any strictly better value
  explicit EarlyStopping(std::int64_t patience, Better better = Better::kHigher, std::optional<double> tolerance = {})
      : patience_(patience), sign_(better == Better::kHigher ? 1 : -1), tolerance_(tolerance) {}

  /// One judgement; a value that is not a number is never better. @return whether it is the new best
  bool add(double value) {
    if (!improves(value)) return ++idle_, false;
    best_ = value, idle_ = 0;
    return true;
  }
  bool stops() const { return idle_ >= patience_; }

  std::optional<double> best() const { return best_; }
  /// Judgements since the best.
  std::int64_t idle() const { return idle_; }
  /// Goes on where another object was.
  void restore(std::optional<double> best, std::int64_t idle) { best_ = best, idle_ = idle; }

 private:
  bool improves(double value) const {
    if (std::isnan(value)) return false;
    if (!best_) return true;
    const double gain = sign_ * (value - *best_);
    return tolerance_ ? gain >= *tolerance_ * std::abs(*best_) : gain > 0;
  }

  std::int64_t patience_;
  double sign_;
  std::optional<double> tolerance_, best_;
  std::int64_t idle_ = 0;
};

}  // namespace clary::optim
