// SPDX-License-Identifier: Apache-2.0
// A trained linear model: weights on raw features, what the artifact records about the training, and how it is saved,
// loaded and asked. Immutable once loaded; predict() may be called by many threads at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/linear_learner/evaluate/metrics.h"
#include "algorithms/linear_learner/evaluate/threshold.h"
#include "algorithms/linear_learner/hyperparameters.h"
#include "algorithms/linear_learner/model/scorer.h"
#include "algorithms/linear_learner/model/weights.h"
#include "formats/batch.h"
#include "learning/shell/finite_check.h"
#include "learning/shell/predictions.h"
#include "learning/shell/serve_request.h"

namespace clary::linear_learner {

/// `metrics_params` of the artifact: the knobs that the metrics were computed with, empty where they do not apply.
struct MetricsParameters {
  std::optional<double> huber_delta{}, quantile{}, loss_insensitivity{}, f_beta{}, margin{};
  double positive_example_weight_mult = 1;
  std::int64_t accuracy_top_k = 3;
  std::vector<float> class_weights{};  // [K] or empty
};

/// One row of candidates.json.
struct CandidateOutcome {
  CandidateSettings settings{};
  std::int64_t best_epoch = 0;  // of this candidate, by the criterion
  double value = 0;             // the criterion there
  double threshold = kDefaultThreshold;
  double train_loss = 0;                    // training objective there
  std::optional<double> validation_loss{};  // empty without a validation channel
};

/// Final metrics of one channel.
struct ChannelMetrics {
  std::string channel;  // "train", "validation", "test"
  std::vector<NamedMetric> metrics;
};

/// What the training leaves in the plain files beside the model. Empty vectors: unknown, left out.
struct TrainingRecord {
  std::vector<std::string> feature_names;    // [D] or empty
  std::vector<float> standardised_weight;    // [D, K]: weight x standard deviation of the feature
  std::vector<float> standard_error;         // [D, K], of the weights
  std::vector<float> bias_standard_error;    // [K]
  std::string criterion;                     // "accuracy", "mse_objective": what `value` of a candidate is
  std::vector<CandidateOutcome> candidates;  // in order of id
  int best_candidate = 0;
  std::int64_t best_epoch = 0;
  bool polished = false;  // finished by the deterministic solver
  std::vector<ChannelMetrics> metrics;
};

/// What model_algo-1 holds: all that serving needs.
struct StoredModel {
  PredictorType predictor_type = PredictorType::kRegressor;
  Loss loss = Loss::kSquared;
  double threshold = kDefaultThreshold;
  double bias_lr_mult = 10;
  MetricsParameters metrics{};
  Weights weights{};
};

class Model {
 public:
  /// Predictor type, loss and metric knobs from the hyperparameters.
  Model(const Hyperparameters& hp, Weights weights, double threshold = kDefaultThreshold,
        std::vector<float> class_weights = {}, double positive_weight = 1);
  explicit Model(StoredModel stored);

  /// model_algo-1 in MXNet's layout, and beside it linear-learner-coefficients.json, candidates.json,
  /// coefficients.npy, intercept.npy (README.md, "Artifact").
  void save(const std::filesystem::path& dir) const;

  void check_finite(const shell::FiniteCheck& check) const;

  /// Reads model_algo-1, or the first model_algo-* there is; also artifacts of the real service.
  /// @throws Error{kNotFound} without one, Error{kMalformed} naming the member and the rule, Error{kLimit}
  static Model load(const std::filesystem::path& dir);

  /// Columns "score" and, for classifiers, "predicted_label" (in CSV the other way round). serve/predict.cpp.
  shell::Predictions predict(const formats::Batch& rows, const shell::ServeRequest& request) const;

  std::int64_t feature_dim() const { return stored_.weights.features; }
  PredictorType predictor_type() const { return stored_.predictor_type; }
  Loss loss() const { return stored_.loss; }
  double threshold() const { return stored_.threshold; }
  const Weights& weights() const { return stored_.weights; }
  const MetricsParameters& metrics_parameters() const { return stored_.metrics; }

  /// Filled by the trainer before save(); not read back by load().
  TrainingRecord record;

 private:
  StoredModel stored_;
  Scorer scorer_;
};

}  // namespace clary::linear_learner
