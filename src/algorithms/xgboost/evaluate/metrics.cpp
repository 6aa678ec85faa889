// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/evaluate/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace clary::xgboost {
namespace {

constexpr auto kMetrics = std::to_array<Metric>({
    {.name = "accuracy", .maximise = true, .ours = true},
    {.name = "auc", .maximise = true},
    {.name = "aucpr", .maximise = true},
    {.name = "balanced_accuracy", .maximise = true, .ours = true},
    {.name = "f1", .maximise = true, .ours = true},
    {.name = "f1_binary", .maximise = true, .ours = true},
    {.name = "f1_macro", .maximise = true, .ours = true},
    {.name = "map", .maximise = true, .threshold = true},
    {.name = "ndcg", .maximise = true, .threshold = true},
    {.name = "precision", .maximise = true, .ours = true},
    {.name = "precision_macro", .maximise = true, .ours = true},
    {.name = "precision_micro", .maximise = true, .ours = true},
    {.name = "r2", .maximise = true, .ours = true},
    {.name = "recall", .maximise = true, .ours = true},
    {.name = "recall_macro", .maximise = true, .ours = true},
    {.name = "recall_micro", .maximise = true, .ours = true},
    {.name = "aft-nloglik", .maximise = false},
    {.name = "cox-nloglik", .maximise = false},
    {.name = "error", .maximise = false, .threshold = true},
    {.name = "gamma-deviance", .maximise = false},
    {.name = "gamma-nloglik", .maximise = false},
    {.name = "interval-regression-accuracy", .maximise = false},
    {.name = "logloss", .maximise = false},
    {.name = "mae", .maximise = false},
    {.name = "mape", .maximise = false},
    {.name = "merror", .maximise = false},
    {.name = "mlogloss", .maximise = false},
    {.name = "mphe", .maximise = false},
    {.name = "mse", .maximise = false, .ours = true},
    {.name = "poisson-nloglik", .maximise = false},
    {.name = "rmse", .maximise = false},
    {.name = "rmsle", .maximise = false},
    {.name = "tweedie-nloglik", .maximise = false},
});

constexpr std::size_t kMaxClasses = 4096;  // the counts are a square of it
enum Sum : std::size_t { kRows, kLabels, kSquares, kResiduals, kCounts };

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

std::size_t predicted_class(std::span<const float> margins) {
  if (margins.size() == 1) return margins[0] > 0 ? 1 : 0;
  return static_cast<std::size_t>(std::max_element(margins.begin(), margins.end()) - margins.begin());
}

/// Rows by [label, predicted class], and their margins.
class Counts {
 public:
  explicit Counts(const Statistics& s) : counts_(s.sums.data() + kCounts), classes_(s.classes) {}

  std::size_t classes() const { return classes_; }
  double right(std::size_t c) const { return counts_[c * classes_ + c]; }
  double labelled(std::size_t c) const {
    double out = 0;
    for (std::size_t p = 0; p < classes_; ++p) out += counts_[c * classes_ + p];
    return out;
  }
  double predicted(std::size_t c) const {
    double out = 0;
    for (std::size_t l = 0; l < classes_; ++l) out += counts_[l * classes_ + c];
    return out;
  }
  bool present(std::size_t c) const { return labelled(c) > 0 || predicted(c) > 0; }

 private:
  const double* counts_;
  std::size_t classes_;
};

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

double precision(const Counts& n, std::size_t c) { return ratio(n.right(c), n.predicted(c)); }
double recall(const Counts& n, std::size_t c) { return ratio(n.right(c), n.labelled(c)); }
/// 2 right / (labelled + predicted): the harmonic mean of the two.
double f1(const Counts& n, std::size_t c) { return ratio(2 * n.right(c), n.labelled(c) + n.predicted(c)); }

using OfClass = double (*)(const Counts&, std::size_t);

double macro(const Counts& n, OfClass value) {
  double sum = 0, present = 0;
  for (std::size_t c = 0; c < n.classes(); ++c)
    if (n.present(c)) sum += value(n, c), present += 1;
  return ratio(sum, present);
}

double binary(const Counts& n, OfClass value) {
  for (std::size_t c = 2; c < n.classes(); ++c)
    if (n.present(c))
      throw Error(Kind::kInvalid,
                  "Target is multiclass but average='binary'. Please choose another average setting, one of [None, "
                  "'micro', 'macro', 'weighted'].");
  return n.classes() > 1 ? value(n, 1) : 0;
}

double accuracy(const Counts& n) {
  double right = 0, all = 0;
  for (std::size_t c = 0; c < n.classes(); ++c) right += n.right(c), all += n.labelled(c);
  return ratio(right, all);
}

/// Mean recall of the classes that have rows.
double balanced_accuracy(const Counts& n) {
  double sum = 0, present = 0;
  for (std::size_t c = 0; c < n.classes(); ++c)
    if (n.labelled(c) > 0) sum += recall(n, c), present += 1;
  return ratio(sum, present);
}

double r2(const std::vector<double>& sums) {
  if (sums[kRows] < 2) return std::numeric_limits<double>::quiet_NaN();
  const double variation = sums[kSquares] - sums[kLabels] * sums[kLabels] / sums[kRows];
  if (variation > 0) return 1 - sums[kResiduals] / variation;
  return sums[kResiduals] > 0 ? 0 : 1;
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
  Statistics out{classes, std::vector<double>(kCounts + classes * classes)};
  for (std::size_t i = 0; i < scored.labels.size(); ++i) {
    const auto margins = scored.margins.subspan(i * scored.width, scored.width);
    const double label = scored.labels[i], residual = label - prediction(margins[0], scored.link);
    out.sums[kRows] += 1;
    out.sums[kLabels] += label;
    out.sums[kSquares] += label * label;
    out.sums[kResiduals] += residual * residual;
    if (classes > 0) out.sums[kCounts + static_cast<std::size_t>(label) * classes + predicted_class(margins)] += 1;
  }
  return out;
}

double metric_value(std::string_view name, const Statistics& statistics) {
  const Counts counts(statistics);
  if (name == "mse") return ratio(statistics.sums[kResiduals], statistics.sums[kRows]);
  if (name == "r2") return r2(statistics.sums);
  if (name == "accuracy" || name == "precision_micro" || name == "recall_micro") return accuracy(counts);
  if (name == "balanced_accuracy") return balanced_accuracy(counts);
  if (name == "f1" || name == "f1_macro") return macro(counts, f1);
  if (name == "f1_binary") return binary(counts, f1);
  if (name == "precision") return binary(counts, precision);
  if (name == "precision_macro") return macro(counts, precision);
  if (name == "recall") return binary(counts, recall);
  if (name == "recall_macro") return macro(counts, recall);
  throw Error(Kind::kInternal, fmt::format("metric_value: no metric is called {}", name));
}

}  // namespace clary::xgboost
