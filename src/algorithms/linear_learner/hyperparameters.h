// SPDX-License-Identifier: Apache-2.0
// Linear Learner's hyperparameters: the struct, whose empty optionals mean `auto`, and its one table. What `auto`
// stands for is resolved here where it depends on nothing but other hyperparameters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "learning/hyper/schema.h"

namespace clary::linear_learner {

enum class PredictorType { kBinary, kMulticlass, kRegressor };
enum class Loss {
  kLogistic,
  kHinge,
  kSoftmax,
  kSquared,
  kAbsolute,
  kEpsInsensitiveSquared,
  kEpsInsensitiveAbsolute,
  kQuantile,
  kHuber
};
enum class Optimizer { kSgd, kAdam, kRmsprop };
enum class InitMethod { kUniform, kNormal };
enum class Criterion {
  kAccuracy,
  kFBeta,
  kPrecisionAtTargetRecall,
  kRecallAtTargetPrecision,
  kLossFunction,
  kF1,               // the SDK's: kFBeta with beta 1
  kCrossEntropyLoss  // the SDK's
};

/// Values of positive_example_weight_mult that are no weights.
inline constexpr double kBalancedWeight = -1;   // negatives / positives of the scaler sample
inline constexpr double kAutomaticWeight = -2;  // chosen among 1, sqrt(balanced) and balanced

struct Hyperparameters {
  PredictorType predictor_type = PredictorType::kRegressor;
  std::int64_t num_classes = 1;
  std::optional<std::int64_t> feature_dim{};
  std::int64_t mini_batch_size = 1000;
  std::int64_t epochs = 15;
  std::optional<std::int64_t> num_models{};
  std::optional<Loss> loss{};
  bool use_bias = true;
  Optimizer optimizer = Optimizer::kAdam;
  std::optional<double> learning_rate{}, momentum{}, beta_1{}, beta_2{}, bias_lr_mult{}, bias_wd_mult{}, wd{}, l1{};
  bool use_lr_scheduler = true;
  std::optional<std::int64_t> lr_scheduler_step{};
  std::optional<double> lr_scheduler_factor{}, lr_scheduler_minimum_lr{};
  InitMethod init_method = InitMethod::kUniform;
  double init_scale = 0.07;
  double init_sigma = 0.01;
  double init_bias = 0;
  std::optional<bool> normalize_data = true, normalize_label{}, unbias_data{}, unbias_label{};
  std::int64_t num_point_for_scaler = 10'000;
  Criterion binary_classifier_model_selection_criteria = Criterion::kAccuracy;
  double target_recall = 0.8;
  double target_precision = 0.8;
  double f_beta = 1;
  double positive_example_weight_mult = 1;  // above 0, kBalancedWeight or kAutomaticWeight
  std::optional<std::int64_t> num_calibration_samples = 10'000'000;
  bool balance_multiclass_weights = false;
  std::int64_t accuracy_top_k = 3;
  double margin = 1;
  double quantile = 0.5;
  double loss_insensitivity = 0.01;
  double huber_delta = 1;
  std::int64_t early_stopping_patience = 3;
  double early_stopping_tolerance = 0.001;
  std::string tuning_objective_metric{};  // `_tuning_objective_metric`: set in a tuner's training jobs

  bool is_classifier() const { return predictor_type != PredictorType::kRegressor; }
  bool is_binary() const { return predictor_type == PredictorType::kBinary; }
  bool is_multiclass() const { return predictor_type == PredictorType::kMulticlass; }

  Loss resolved_loss() const;
  /// Columns of the weight matrix: num_classes for many classes, else 1.
  std::int64_t outputs() const { return is_multiclass() ? num_classes : 1; }
  /// Candidates trained side by side: 32 unless given; 1 in a tuner's jobs whatever was given.
  std::int64_t models() const;

  // Scaling: what the four knobs resolve to. Nothing is shifted without a bias to absorb the shift, and labels of
  // classes are never scaled.
  bool scales_features() const { return normalize_data.value_or(true); }
  bool shifts_features() const { return use_bias && unbias_data.value_or(true); }
  bool scales_label() const { return !is_classifier() && normalize_label.value_or(true); }
  bool shifts_label() const { return !is_classifier() && use_bias && unbias_label.value_or(true); }

  double resolved_bias_lr_mult() const { return bias_lr_mult.value_or(10); }
  double resolved_bias_wd_mult() const { return bias_wd_mult.value_or(0); }
};

const Schema<Hyperparameters>& schema();

/// "squared_loss", as `loss` and the artifact's `loss_type` spell it.
std::string_view name_of(Loss loss);
std::string_view name_of(PredictorType type);
std::string_view name_of(Optimizer optimizer);
std::string_view name_of(Criterion criterion);
/// Nothing for an unknown name.
std::optional<Loss> loss_named(std::string_view name);
std::optional<PredictorType> predictor_type_named(std::string_view name);

/// What the log should say of the values given: the alias taken, a knob that a tuning job overrides.
/// @param given  hyperparameters.json as it came
std::vector<std::string> remarks(const Hyperparameters& parsed, const hyper::TextMap& given);

}  // namespace clary::linear_learner
