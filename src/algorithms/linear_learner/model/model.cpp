// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/model/model.h"

#include <utility>

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
  // The name of the first host's file in AWS's archives.
  write_file_atomically(dir / "model_algo-1", to_archive(stored_));
  write_file_atomically(dir / "linear-learner-coefficients.json", coefficients_json(stored_, record));
  write_file_atomically(dir / "candidates.json", candidates_json(record));
  formats::write_npy(dir / "coefficients.npy", turned(w), matrix);
  formats::write_npy(dir / "intercept.npy", w.bias, vector);
}

void Model::check_finite(const shell::FiniteCheck& check) const {
  check.array("fc0_weight", stored_.weights.weight);
  check.array("fc0_bias", stored_.weights.bias);
  check.number("threshold", stored_.threshold);
}

Model Model::load(const std::filesystem::path& dir) {
  return Model(from_archive(read_file(artifact::find_model_file(dir, "a Linear Learner model"), kMaxModelBytes)));
}

}  // namespace clary::linear_learner
