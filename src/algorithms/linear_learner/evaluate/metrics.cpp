// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/evaluate/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "algorithms/linear_learner/evaluate/link.h"
#include "algorithms/linear_learner/evaluate/ranking.h"

namespace clary::linear_learner {
namespace {

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

double f_measure(double precision, double recall, double beta) {
  const double b2 = beta * beta;
  return ratio((1 + b2) * precision * recall, b2 * precision + recall);
}

/// -log of the softmax probability of the row's class.
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
  double squared = 0, absolute = 0;
  for (std::size_t i = 0; i < scores.labels.size(); ++i) {
    const double e = static_cast<double>(scores.raw[i]) - scores.labels[i];
    squared += e * e, absolute += std::abs(e);
  }
  const double n = static_cast<double>(scores.rows), mse = ratio(squared, n);
  return {{"mse", "loss", mse}, {"absolute_loss", "loss", ratio(absolute, n)}, {"rmse", "loss", std::sqrt(mse)}};
}

std::vector<NamedMetric> binary_metrics(const Hyperparameters& hp, double threshold, const Scores& scores) {
  const bool logistic = hp.resolved_loss() == Loss::kLogistic;
  double right = 0, called = 0, positive = 0, both = 0;
  for (std::size_t i = 0; i < scores.labels.size(); ++i) {
    const bool call = (logistic ? sigmoid(scores.raw[i]) : scores.raw[i]) >= threshold, is = scores.labels[i] > 0.5f;
    right += call == is, called += call, positive += is, both += call && is;
  }
  const double precision = ratio(both, called), recall = ratio(both, positive);
  return {{"binary_classification_accuracy", "score", ratio(right, static_cast<double>(scores.rows))},
          {fmt::format("binary_f_{:.3f}", hp.f_beta), "score", f_measure(precision, recall, hp.f_beta)},
          {"precision", "score", precision},
          {"recall", "score", recall},
          {"roc_auc_score", "score", roc_auc(scores.raw, scores.labels)},
          {"threshold", "score", threshold}};  // ours: users miss it in the job's description
}

/// Counts per class, and sums over rows of what depends on the rank of the true class.
struct ClassCounts {
  std::vector<double> labelled, called, right;  // [K]
  double accurate = 0, in_top_k = 0, gain = 0, log_loss = 0;
};

ClassCounts count_classes(const Scores& scores, std::int64_t top_k) {
  const auto classes = static_cast<std::size_t>(scores.outputs);
  ClassCounts out{std::vector<double>(classes), std::vector<double>(classes), std::vector<double>(classes)};
  for (std::size_t i = 0; i < scores.labels.size(); ++i) {
    const auto f = row_of(scores, i);
    const auto label = static_cast<std::size_t>(scores.labels[i]);
    std::int64_t rank = 1;  // of the true class; equal scores rank by class number
    for (std::size_t c = 0; c < classes; ++c) rank += f[c] > f[label] || (f[c] == f[label] && c < label);
    const auto call = static_cast<std::size_t>(std::max_element(f.begin(), f.end()) - f.begin());
    ++out.labelled[label], ++out.called[call];
    if (call == label) ++out.right[label], ++out.accurate;
    out.in_top_k += rank <= top_k;
    out.gain += 1 / std::log2(1 + static_cast<double>(rank));
    out.log_loss += cross_entropy(f, label);
  }
  return out;
}

std::vector<NamedMetric> multiclass_metrics(const Hyperparameters& hp, const Scores& scores) {
  const ClassCounts counts = count_classes(scores, hp.accuracy_top_k);
  double recall = 0, precision = 0, f = 0, present = 0;
  for (std::size_t c = 0; c < counts.right.size(); ++c) {
    const double r = ratio(counts.right[c], counts.labelled[c]), p = ratio(counts.right[c], counts.called[c]);
    recall += r, precision += p, f += f_measure(p, r, hp.f_beta);
    present += counts.labelled[c] > 0;
  }
  const double classes = static_cast<double>(scores.outputs), n = static_cast<double>(scores.rows);
  return {{"multiclass_accuracy", "score", ratio(counts.accurate, n)},
          {fmt::format("multiclass_top_k_accuracy_{}", hp.accuracy_top_k), "score", ratio(counts.in_top_k, n)},
          {"dcg", "score", ratio(counts.gain, n)},
          {"macro_recall", "score", recall / classes},
          {"macro_precision", "score", precision / classes},
          {fmt::format("macro_f_{:.3f}", hp.f_beta), "score", f / classes},
          {"multiclass_balanced_accuracy", "score", ratio(recall, present)},
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

double roc_auc(std::span<const float> scores, std::span<const float> labels) {
  if (!std::all_of(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); })) return 0.5;
  const auto rows = ranked(scores, labels);
  double positives = 0, negatives = 0, pairs = 0;  // pairs: a positive above a negative; ties count half
  for (std::size_t i = 0; i < rows.size();) {
    double tied_positives = 0, tied_negatives = 0;
    for (const auto key = rows[i].key(); i < rows.size() && rows[i].key() == key; ++i)
      ++(rows[i].positive() ? tied_positives : tied_negatives);
    pairs += tied_positives * (negatives + tied_negatives / 2);
    positives += tied_positives, negatives += tied_negatives;
  }
  return positives > 0 && negatives > 0 ? pairs / (positives * negatives) : 0.5;
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
