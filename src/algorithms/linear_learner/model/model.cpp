// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/model/model.h"

#include <algorithm>
#include <utility>

#include "algorithms/linear_learner/evaluate/link.h"
#include "algorithms/linear_learner/model/artifact.h"
#include "base/files.h"
#include "formats/npy.h"
#include "learning/artifact/model_file.h"

namespace clary::linear_learner {
namespace {

constexpr std::uint64_t kMaxModelBytes = 32ULL << 30;

/// Only the knobs that apply to the task and loss.
MetricsParameters metrics_of(const Hyperparameters& hp, std::vector<float> class_weights, double positive_weight) {
  MetricsParameters out;
  const Loss loss = hp.resolved_loss();
  if (loss == Loss::kHuber) out.huber_delta = hp.huber_delta;
  if (loss == Loss::kQuantile) out.quantile = hp.quantile;
  if (loss == Loss::kHinge) out.margin = hp.margin;
  if (loss == Loss::kEpsInsensitiveSquared || loss == Loss::kEpsInsensitiveAbsolute)
    out.loss_insensitivity = hp.loss_insensitivity;
  if (hp.is_classifier()) out.f_beta = hp.f_beta;
  if (hp.is_binary()) out.positive_example_weight_mult = positive_weight;
  out.accuracy_top_k = hp.accuracy_top_k;
  out.class_weights = std::move(class_weights);
  return out;
}

/// [D, K] to [K, D], as scikit-learn keeps coef_.
std::vector<float> turned(const Weights& w) {
  std::vector<float> out(w.weight.size());
  for (std::int64_t d = 0; d < w.features; ++d)
    for (std::int64_t k = 0; k < w.outputs; ++k)
      out[static_cast<std::size_t>(k * w.features + d)] = w.weight[static_cast<std::size_t>(d * w.outputs + k)];
  return out;
}

}  // namespace

Model::Model(const Hyperparameters& hp, Weights weights, double threshold, std::vector<float> class_weights,
             double positive_weight)
    : stored_{.predictor_type = hp.predictor_type,
              .loss = hp.resolved_loss(),
              .threshold = threshold,
              .bias_lr_mult = hp.resolved_bias_lr_mult(),
              .metrics = metrics_of(hp, std::move(class_weights), positive_weight),
              .weights = std::move(weights)},
      scorer_(stored_.weights) {}

Model::Model(StoredModel stored) : stored_(std::move(stored)), scorer_(stored_.weights) {}

void Model::save(const std::filesystem::path& dir) const {
  const Weights& w = stored_.weights;
  const std::int64_t matrix[] = {w.outputs, w.features}, vector[] = {w.outputs};
  write_file_atomically(dir / "model_algo-1", to_archive(stored_));
  write_file_atomically(dir / "linear-learner-coefficients.json", coefficients_json(stored_, record));
  write_file_atomically(dir / "candidates.json", candidates_json(record));
  formats::write_npy(dir / "coefficients.npy", turned(w), matrix);
  formats::write_npy(dir / "intercept.npy", w.bias, vector);
}

Model Model::load(const std::filesystem::path& dir) {
  return Model(from_archive(read_file(artifact::find_model_file(dir, "a Linear Learner model"), kMaxModelBytes)));
}

shell::Predictions Model::predict(const formats::Batch& rows, const shell::ServeRequest& request) const {
  using shell::Column;
  std::vector<float> score = scorer_.outputs(rows), label;
  const auto outputs = static_cast<std::size_t>(stored_.weights.outputs);
  if (stored_.loss == Loss::kLogistic)
    for (float& f : score) f = sigmoid(f);
  if (stored_.predictor_type == PredictorType::kBinary)
    for (const float s : score) label.push_back(s >= stored_.threshold ? 1.0f : 0.0f);
  if (stored_.predictor_type == PredictorType::kMulticlass)
    for (std::size_t at = 0; at < score.size(); at += outputs) {
      const std::span<float> row(score.data() + at, outputs);
      label.push_back(static_cast<float>(std::max_element(row.begin(), row.end()) - row.begin()));
      softmax(row);
    }
  shell::Predictions out;
  out.rows = rows.rows;
  out.columns.reserve(2);
  out.columns.push_back((outputs == 1 ? Column::of_numbers("score", std::move(score))
                                      : Column::of_lists("score", std::move(score), static_cast<std::int64_t>(outputs)))
                            .written_as(Column::Digits::kDouble));
  if (stored_.predictor_type == PredictorType::kRegressor) return out;
  out.columns.push_back(Column::of_numbers("predicted_label", std::move(label)).written_as(Column::Digits::kInteger));
  // A line of CSV begins with the label: the scores of many classes are a list.
  if (request.accept.format() == formats::Format::kCsv) std::swap(out.columns[0], out.columns[1]);
  return out;
}

}  // namespace clary::linear_learner
