// SPDX-License-Identifier: Apache-2.0
// Test scores: accuracy and per-class precision, recall and F1 for the classifier, mean squared error for the
// regressor. Counts are exact; sums are float64.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "algorithms/knn/hyperparameters.h"
#include "learning/metrics/class_counts.h"
#include "learning/metrics/regression_sums.h"

namespace clary::knn {

class Score {
 public:
  explicit Score(Task task) : task_(task) {}

  /// One row: its label and what k' = 1, 2, ... neighbours answer (the last is the prediction). Rows may have fewer
  /// than others; a row without any (empty cells) counts as wrong, or for the regressor not at all.
  void add(float label, std::span<const float> prefix_answers);

  std::int64_t rows() const noexcept { return rows_; }
  /// Share of right answers with the k the model has, or with every smaller one: by_k()[k' - 1].
  double accuracy() const;
  double mean_squared_error() const;
  std::vector<double> by_k() const;  // accuracy or mse
  /// Mean F1 of the classes that occur among the labels.
  double macro_f1() const;
  const std::map<float, metrics::ClassCounts>& classes() const noexcept { return classes_; }

 private:
  Task task_;
  std::int64_t rows_ = 0;
  std::int64_t correct_ = 0;
  metrics::RegressionSums sums_;  // regressor: of the rows with an answer
  struct AtK {
    double sum = 0;  // right answers, or squared errors
    std::int64_t rows = 0;
  };
  std::vector<AtK> at_k_;
  std::map<float, metrics::ClassCounts> classes_;
};

}  // namespace clary::knn
