// SPDX-License-Identifier: Apache-2.0
// What regressors are judged by, from sums that add up over batches and hosts.
#pragma once

#include <cmath>
#include <limits>

#include "learning/metrics/class_counts.h"

namespace clary::metrics {

struct RegressionSums {
  double rows = 0;
  double labels = 0, label_squares = 0;
  double squared_errors = 0, absolute_errors = 0;

  void add(double label, double prediction) {
    const double error = prediction - label;
    rows += 1;
    labels += label, label_squares += label * label;
    squared_errors += error * error, absolute_errors += std::abs(error);
  }

  double mean_squared_error() const { return ratio(squared_errors, rows); }
  double mean_absolute_error() const { return ratio(absolute_errors, rows); }
  double root_mean_squared_error() const { return std::sqrt(mean_squared_error()); }
  /// 1 - squared errors / variation of the labels, as scikit-learn's r2_score: NaN for fewer than two rows; for labels
  /// without variation 1 when all predictions are exact, else 0.
  double r2() const {
    if (rows < 2) return std::numeric_limits<double>::quiet_NaN();
    const double variation = label_squares - labels * labels / rows;
    if (variation > 0) return 1 - squared_errors / variation;
    return squared_errors > 0 ? 0 : 1;
  }
};

}  // namespace clary::metrics
