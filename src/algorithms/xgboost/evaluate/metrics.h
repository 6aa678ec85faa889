// SPDX-License-Identifier: Apache-2.0
// The metrics that a job may name: which way is better, who computes them. The library computes its own on predictions;
// the container's are computed here, from margins, with scikit-learn's definitions.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/xgboost/model/objectives.h"
#include "learning/metrics/class_counts.h"
#include "learning/metrics/regression_sums.h"

namespace clary::xgboost {

/// What a metric compares labels with: one number a row, or one for each class (multi:*).
enum class Predictions { kAny, kNumber, kClasses };

struct Metric {
  std::string_view name;
  bool maximise;
  bool own = false;        // computed by metric_value(), unknown to the library
  bool threshold = false;  // may be written name@t
  Predictions of = Predictions::kAny;
};

std::span<const Metric> metrics();
/// By name or by "name@threshold". Null when there is none.
const Metric* find_metric(std::string_view name);
bool is_maximised(std::string_view name);

/// Labels and what the model says of them. N rows, K margins a row (1 unless the objective is multi:*).
struct Scored {
  std::span<const float> labels;   // [N]
  std::span<const float> margins;  // [N, K] row-major
  std::size_t width = 1;           // K
  Link link = Link::kIdentity;
};

/// All that our metrics need of some rows.
struct Statistics {
  metrics::RegressionSums regression;
  std::vector<metrics::ClassCounts> classes;  // empty: counts were not asked for

  /// Adds up over hosts. @param sum  replaces numbers by their sums over the hosts
  void add_up(const std::function<void(std::span<double>)>& sum);
};

/// True for metrics that count classes, which need labels 0, 1, 2, ...
bool counts_classes(std::string_view name);
/// Classes that labels and predictions name. @throws Error{kInvalid} for a label that is no class
std::size_t class_count(const Scored& scored);
/// A class is margin > 0, or the largest margin; a prediction is the margin brought to the labels' scale by the link.
/// @param classes  at least class_count(), or 0 without counts
Statistics statistics_of(const Scored& scored, std::size_t classes);

/// One of our metrics, with scikit-learn's definitions: undefined ratios are 0, averages are over the classes present.
/// @throws Error{kInvalid} for a two-class metric on more classes
double metric_value(std::string_view name, const Statistics& statistics);

}  // namespace clary::xgboost
