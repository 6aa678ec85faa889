// SPDX-License-Identifier: Apache-2.0
// XGBoost's hyperparameters: the struct and its one table. The container fills in no defaults, so what a job did not
// give is left to the library; most rows go to it as they came.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "algorithms/xgboost/model/objectives.h"
#include "algorithms/xgboost/tag.h"
#include "learning/hyper/schema.h"

namespace clary::xgboost {

struct Hyperparameters {
  int num_round = 0;
  std::optional<int> num_class;
  std::string objective{kDefaultObjective};
  std::vector<std::string> eval_metric;  // as given, in order, without repeats
  std::optional<int> early_stopping_rounds;
  std::optional<int> kfold;
  int num_cv_round = 1;
  std::optional<int> nthread;
  std::optional<int> silent;
  std::string tuning_metric;  // "rmse" of `_tuning_objective_metric` = "validation:rmse"; or empty
  bool csv_weights = false;
  bool save_model_on_termination = false;
  bool use_dask_gpu_training = false;
  int seed = 0;
  /// What the library gets, besides eval_metric and nthread; only what was given.
  hyper::TextMap library;
  /// Given, checked, and without effect.
  hyper::TextMap no_effect;
  /// For the log: what was given and is handled otherwise here.
  std::vector<std::string> warnings;
};

/// Its parse() gives what the job asked for; parse() below what it runs with.
const Schema<Hyperparameters>& schema();

/// @throws Error{kInvalid} with the container's text for the first problem
Hyperparameters parse(const hyper::TextMap& given, Tag tag);

}  // namespace clary::xgboost
