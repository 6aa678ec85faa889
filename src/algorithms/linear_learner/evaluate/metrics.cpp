// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/evaluate/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "algorithms/linear_learner/evaluate/link.h"
#include "learning/metrics/class_counts.h"
#include "learning/metrics/ranking.h"
#include "learning/metrics/regression_sums.h"

namespace clary::linear_learner {
namespace {

using metrics::ClassCounts;
using metrics::Over;
using metrics::ratio;

/// -log of the softmax probability of the row's class.
/// Shifted by the maximum, so that exp() cannot overflow.
double cross_entropy(std::span<const float> f, std::size_t label) {
  const double top = *std::max_element(f.begin(), f.end());
  double sum = 0;
  for (const float x : f) sum += std::exp(x - top);
  return std::log(sum) + top - f[label];
}

/// Loss of one output on one label (README.md has the formulas); softmax_loss is not among them.
double loss_of(const Hyperparameters& hp, double f, double y) {
  const double e = f - y, size = std::abs(e);
  switch (hp.resolved_loss()) {
    case Loss::kLogistic:
      // log(1 + e^f) - y f without overflow for large |f|.
      return std::max(f, 0.0) - f * y + std::log1p(std::exp(-std::abs(f)));
    case Loss::kHinge:
      return y > 0.5 ? std::max(0.0, (hp.margin + 1) / 2 - f) : std::max(0.0, (hp.margin - 1) / 2 + f);
    case Loss::kAbsolute:
      return size;
    case Loss::kEpsInsensitiveSquared:
      return std::max(0.0, e * e - hp.loss_insensitivity * hp.loss_insensitivity);
    case Loss::kEpsInsensitiveAbsolute:
      return std::max(0.0, size - hp.loss_insensitivity);
    case Loss::kQuantile:
      return hp.quantile * std::max(0.0, y - f) + (1 - hp.quantile) * std::max(0.0, f - y);
    case Loss::kHuber:
      return size < hp.huber_delta ? e * e / 2 : hp.huber_delta * size - hp.huber_delta * hp.huber_delta / 2;
    case Loss::kSquared:
    case Loss::kSoftmax:
      break;
  }
  return e * e;
}

std::span<const float> row_of(const Scores& scores, std::size_t row) {
  const auto k = static_cast<std::size_t>(scores.outputs);
  return {scores.raw.data() + row * k, k};
}

std::vector<NamedMetric> regression_metrics(const Scores& scores) {
  metrics::RegressionSums sums;
  for (std::size_t i = 0; i < scores.labels.size(); ++i) sums.add(scores.labels[i], scores.raw[i]);
  return {{"mse", "loss", sums.mean_squared_error()},
          {"absolute_loss", "loss", sums.mean_absolute_error()},
          {"rmse", "loss", sums.root_mean_squared_error()}};
}

std::vector<NamedMetric> binary_metrics(const Hyperparameters& hp, double threshold, const Scores& scores) {
  const bool logistic = hp.resolved_loss() == Loss::kLogistic;
  ClassCounts classes[2];
  for (std::size_t i = 0; i < scores.labels.size(); ++i) {
    const bool called = (logistic ? sigmoid(scores.raw[i]) : scores.raw[i]) >= threshold;
    metrics::add_row(classes, scores.labels[i] > 0.5f, called);
  }
  const ClassCounts& positive = classes[1];
  return {{"binary_classification_accuracy", "score", metrics::accuracy(classes)},
          {fmt::format("binary_f_{:.3f}", hp.f_beta), "score", positive.f(hp.f_beta)},
          {"precision", "score", positive.precision()},
          {"recall", "score", positive.recall()},
          {"roc_auc_score", "score", metrics::roc_auc(scores.raw, scores.labels)},
          {"threshold", "score", threshold}};  // not one of AWS's: users miss it in the job's description
}

/// Counts per class, and sums over rows of what depends on the rank of the true class.
struct Multiclass {
  std::vector<ClassCounts> classes;  // [K]
  double in_top_k = 0, gain = 0, log_loss = 0;
};

Multiclass count_classes(const Scores& scores, std::int64_t top_k) {
  const auto classes = static_cast<std::size_t>(scores.outputs);
  Multiclass out{std::vector<ClassCounts>(classes)};
  for (std::size_t i = 0; i < scores.labels.size(); ++i) {
    const auto f = row_of(scores, i);
    const auto label = static_cast<std::size_t>(scores.labels[i]);
    std::int64_t rank = 1;  // of the true class; equal scores rank by class number
    // Counts the classes that rank above the true one, O(K) without sorting.
    for (std::size_t c = 0; c < classes; ++c) rank += f[c] > f[label] || (f[c] == f[label] && c < label);
    metrics::add_row(out.classes, label, static_cast<std::size_t>(std::max_element(f.begin(), f.end()) - f.begin()));
    out.in_top_k += rank <= top_k;
    out.gain += 1 / std::log2(1 + static_cast<double>(rank));
    out.log_loss += cross_entropy(f, label);
  }
  return out;
}

std::vector<NamedMetric> multiclass_metrics(const Hyperparameters& hp, const Scores& scores) {
  const Multiclass counts = count_classes(scores, hp.accuracy_top_k);
  const double n = static_cast<double>(scores.rows);
  const auto macro = [&](auto&& value) { return metrics::mean(counts.classes, Over::kAll, value); };
  return {
      {"multiclass_accuracy", "score", metrics::accuracy(counts.classes)},
      {fmt::format("multiclass_top_k_accuracy_{}", hp.accuracy_top_k), "score", ratio(counts.in_top_k, n)},
      {"dcg", "score", ratio(counts.gain, n)},
      {"macro_recall", "score", macro([](const ClassCounts& c) { return c.recall(); })},
      {"macro_precision", "score", macro([](const ClassCounts& c) { return c.precision(); })},
      {fmt::format("macro_f_{:.3f}", hp.f_beta), "score", macro([&](const ClassCounts& c) { return c.f(hp.f_beta); })},
      {"multiclass_balanced_accuracy", "score", metrics::balanced_accuracy(counts.classes)},
      {"multiclass_log_loss", "loss", ratio(counts.log_loss, n)}};
}

}  // namespace

std::string objective_name(Loss loss) {
  switch (loss) {
    case Loss::kLogistic:
      return "binary_classification_cross_entropy_objective";
    case Loss::kSoftmax:
      return "multiclass_cross_entropy_objective";
    case Loss::kSquared:
      return "mse_objective";
    default:
      return fmt::format("{}_objective", name_of(loss));
  }
}

double mean_loss(const Hyperparameters& hp, const std::vector<float>& class_weights, const Scores& scores,
                 double positive_weight) {
  double sum = 0;
  for (std::size_t i = 0; i < scores.labels.size(); ++i) {
    const float label = scores.labels[i];
    if (hp.is_multiclass()) {
      // Labels are whole and below num_classes: the reader's label rule has checked them.
      const auto c = static_cast<std::size_t>(label);
      sum +=
          cross_entropy(row_of(scores, i), c) * (class_weights.empty() ? 1.0 : static_cast<double>(class_weights[c]));
    } else {
      const double weight = hp.is_binary() && label > 0.5f ? positive_weight : 1;
      sum += weight * loss_of(hp, scores.raw[i], label);
    }
  }
  return ratio(sum, static_cast<double>(scores.rows));
}

std::vector<NamedMetric> final_metrics(const Hyperparameters& hp, double threshold,
                                       const std::vector<float>& class_weights, const Scores& scores,
                                       double positive_weight) {
  std::vector<NamedMetric> out{
      {objective_name(hp.resolved_loss()), "loss", mean_loss(hp, class_weights, scores, positive_weight)}};
  const auto rest = hp.is_binary()       ? binary_metrics(hp, threshold, scores)
                    : hp.is_multiclass() ? multiclass_metrics(hp, scores)
                                         : regression_metrics(scores);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

}  // namespace clary::linear_learner
