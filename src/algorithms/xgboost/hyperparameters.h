// SPDX-License-Identifier: Apache-2.0
// XGBoost's hyperparameters: one table of names, ranges and words. The container fills in no defaults, so what a job
// did not give is left to the library. Messages and the order of checks are the container's, which stops at the first
// problem; that is why they are checked here and not by hyper::Schema, which describes the same table.
#pragma once

#include <optional>
#include <string>
#include <utility>
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
  std::string tuning_metric;  // "rmse" of `_tuning_objective_metric` = "validation:rmse"; or empty
  bool csv_weights = false;
  bool save_model_on_termination = false;
  int seed = 0;
  /// What the library gets, besides eval_metric and nthread.
  std::vector<std::pair<std::string, std::string>> library;
  /// For the log: what was given and is handled otherwise here.
  std::vector<std::string> warnings;
};

/// For describe, the manual and the configuration in the log; parse() below checks.
const Schema<Hyperparameters>& schema();

/// @throws Error{kInvalid} with the container's text for the first problem
Hyperparameters parse(const hyper::TextMap& given, Tag tag);

}  // namespace clary::xgboost
