// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/evaluate/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace clary::xgboost {
namespace {

constexpr auto kMetrics = std::to_array<Metric>({
    {.name = "accuracy", .maximise = true, .own = true},
    {.name = "auc", .maximise = true},
    {.name = "aucpr", .maximise = true},
    {.name = "balanced_accuracy", .maximise = true, .own = true},
    {.name = "f1", .maximise = true, .own = true},
    {.name = "f1_binary", .maximise = true, .own = true},
    {.name = "f1_macro", .maximise = true, .own = true},
    {.name = "map", .maximise = true, .threshold = true, .of = Predictions::kNumber},
    {.name = "ndcg", .maximise = true, .threshold = true, .of = Predictions::kNumber},
    {.name = "precision", .maximise = true, .own = true},
    {.name = "precision_macro", .maximise = true, .own = true},
    {.name = "precision_micro", .maximise = true, .own = true},
    {.name = "r2", .maximise = true, .own = true},
    {.name = "recall", .maximise = true, .own = true},
    {.name = "recall_macro", .maximise = true, .own = true},
    {.name = "recall_micro", .maximise = true, .own = true},
    {.name = "aft-nloglik", .maximise = false, .of = Predictions::kNumber},
    {.name = "cox-nloglik", .maximise = false, .of = Predictions::kNumber},
    {.name = "error", .maximise = false, .threshold = true, .of = Predictions::kNumber},
    {.name = "gamma-deviance", .maximise = false, .of = Predictions::kNumber},
    {.name = "gamma-nloglik", .maximise = false, .of = Predictions::kNumber},
    {.name = "interval-regression-accuracy", .maximise = false, .of = Predictions::kNumber},
    {.name = "logloss", .maximise = false, .of = Predictions::kNumber},
    {.name = "mae", .maximise = false, .of = Predictions::kNumber},
    {.name = "mape", .maximise = false, .of = Predictions::kNumber},
    {.name = "merror", .maximise = false, .of = Predictions::kClasses},
    {.name = "mlogloss", .maximise = false, .of = Predictions::kClasses},
    {.name = "mphe", .maximise = false, .of = Predictions::kNumber},
    {.name = "mse", .maximise = false, .own = true},
    {.name = "poisson-nloglik", .maximise = false, .of = Predictions::kNumber},
    {.name = "rmse", .maximise = false, .of = Predictions::kNumber},
    {.name = "rmsle", .maximise = false, .of = Predictions::kNumber},
    {.name = "tweedie-nloglik", .maximise = false, .of = Predictions::kNumber},
});

constexpr std::size_t kMaxClasses = 4096;

double prediction(float margin, Link link) {
  switch (link) {
    case Link::kLogistic:
      return 1 / (1 + std::exp(-static_cast<double>(margin)));
    case Link::kExponential:
      return std::exp(static_cast<double>(margin));
    case Link::kIdentity:
      break;
  }
  return margin;
}

// One margin: its sign; several: the largest, the first of equal ones.
std::size_t predicted_class(std::span<const float> margins) {
  if (margins.size() == 1) return margins[0] > 0 ? 1 : 0;
  return static_cast<std::size_t>(std::max_element(margins.begin(), margins.end()) - margins.begin());
}

using metrics::ClassCounts;
using Classes = std::span<const ClassCounts>;

double precision(const ClassCounts& c) { return c.precision(); }
double recall(const ClassCounts& c) { return c.recall(); }
double f1(const ClassCounts& c) { return c.f(); }

double macro(Classes classes, double (*value)(const ClassCounts&)) {
  return metrics::mean(classes, metrics::Over::kOccurring, value);
}

// scikit-learn's sentence, which the container passes on.
double binary(Classes classes, double (*value)(const ClassCounts&)) {
  for (std::size_t c = 2; c < classes.size(); ++c)
    if (classes[c].labelled > 0 || classes[c].predicted > 0)
      throw Error(Kind::kInvalid,
                  "Target is multiclass but average='binary'. Please choose another average setting, one of [None, "
                  "'micro', 'macro', 'weighted'].");
  return classes.size() > 1 ? value(classes[1]) : 0;
}

}  // namespace

std::span<const Metric> metrics() { return kMetrics; }

const Metric* find_metric(std::string_view name) {
  name = name.substr(0, name.find('@'));
  const auto found = std::find_if(kMetrics.begin(), kMetrics.end(), [&](const Metric& m) { return m.name == name; });
  return found == kMetrics.end() ? nullptr : &*found;
}

bool is_maximised(std::string_view name) {
  const Metric* metric = find_metric(name);
  return metric != nullptr && metric->maximise;
}

bool counts_classes(std::string_view name) { return name != "mse" && name != "r2"; }

// Bounded, because the counts are kept by class.
std::size_t class_count(const Scored& scored) {
  float highest = 1;
  for (const float label : scored.labels) {
    if (!(label >= 0) || label != std::floor(label) || label >= static_cast<float>(kMaxClasses))
      throw Error(
          Kind::kInvalid,
          fmt::format("eval_metric: accuracy, f1, precision, recall and their like need labels that are classes "
                      "0, 1, ... below {}, not {}",
                      kMaxClasses, label));
    highest = std::max(highest, label);
  }
  return std::max(static_cast<std::size_t>(highest) + 1, scored.width);
}

Statistics statistics_of(const Scored& scored, std::size_t classes) {
  Statistics out;
  out.classes.resize(classes);
  for (std::size_t i = 0; i < scored.labels.size(); ++i) {
    const auto margins = scored.margins.subspan(i * scored.width, scored.width);
    out.regression.add(scored.labels[i], prediction(margins[0], scored.link));
    if (classes > 0)
      metrics::add_row(out.classes, static_cast<std::size_t>(scored.labels[i]), predicted_class(margins));
  }
  return out;
}

// All numbers in one array: one reduction instead of one a number. Both passes visit them in the same order.
void Statistics::add_up(const std::function<void(std::span<double>)>& sum) {
  std::vector<double> numbers;
  const auto each = [&](auto&& f) {
    for (double* number : {&regression.rows, &regression.labels, &regression.label_squares, &regression.squared_errors,
                           &regression.absolute_errors})
      f(*number);
    for (ClassCounts& c : classes) f(c.labelled), f(c.predicted), f(c.right);
  };
  each([&](double number) { numbers.push_back(number); });
  sum(numbers);
  each([&, next = numbers.begin()](double& number) mutable { number = *next++; });
}

double metric_value(std::string_view name, const Statistics& statistics) {
  const Classes classes = statistics.classes;
  if (name == "mse") return statistics.regression.mean_squared_error();
  if (name == "r2") return statistics.regression.r2();
  if (name == "accuracy" || name == "precision_micro" || name == "recall_micro") return metrics::accuracy(classes);
  if (name == "balanced_accuracy") return metrics::balanced_accuracy(classes);
  if (name == "f1" || name == "f1_macro") return macro(classes, f1);
  if (name == "f1_binary") return binary(classes, f1);
  if (name == "precision") return binary(classes, precision);
  if (name == "precision_macro") return macro(classes, precision);
  if (name == "recall") return binary(classes, recall);
  if (name == "recall_macro") return macro(classes, recall);
  throw Error(Kind::kInternal, fmt::format("metric_value: no metric is called {}", name));
}

}  // namespace clary::xgboost
