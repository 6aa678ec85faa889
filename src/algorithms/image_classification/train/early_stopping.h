// SPDX-License-Identifier: Apache-2.0
// When to stop, as AWS's manual page defines it: an epoch improves on the best accuracy so far when the gain is at
// least early_stopping_tolerance of the best, and above it; after early_stopping_patience epochs in a row without,
// training ends, but not before early_stopping_min_epochs.
#pragma once

#include <cmath>
#include <cstdint>

#include "algorithms/image_classification/hyperparameters.h"
#include "learning/optim/early_stopping.h"

namespace clary::image_classification {

class EarlyStopping {
 public:
  explicit EarlyStopping(const Hyperparameters& hp)
      : enabled_(hp.early_stopping),
        min_epochs_(hp.early_stopping_min_epochs),
        rule_(hp.early_stopping_patience, optim::EarlyStopping::Better::kHigher, hp.early_stopping_tolerance) {}

  /// @param epochs  that have ended. @return whether training stops
  bool add(std::int64_t epochs, double accuracy) {
    // The rule's tolerance is ">=", which an equal accuracy meets when tolerance or best is 0.
    rule_.add(rule_.best() && accuracy <= *rule_.best() ? std::nan("") : accuracy);
    return enabled_ && epochs > min_epochs_ && rule_.stops();
  }

  std::optional<double> best() const { return rule_.best(); }
  std::int64_t idle() const { return rule_.idle(); }
  void restore(std::optional<double> best, std::int64_t idle) { rule_.restore(best, idle); }

 private:
  bool enabled_;
  std::int64_t min_epochs_;
  optim::EarlyStopping rule_;
};

}  // namespace clary::image_classification
