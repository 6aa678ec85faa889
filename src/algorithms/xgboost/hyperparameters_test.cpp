// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/hyperparameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"

namespace clary::xgboost {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Tag kNew{1, 7}, kOld{1, 0}, kClosed{0, 72};

std::string problem_of(hyper::TextMap given, Tag tag = kNew) {
  given.try_emplace("num_round", "10");
  try {
    parse(given, tag);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    return error.what();
  }
  return "";
}

std::string library_value(const Hyperparameters& h, const std::string& name) {
  for (const auto& [key, value] : h.library)
    if (key == name) return value;
  return "<none>";
}

TEST(XgboostHyperparameters, MessagesAreTheContainers) {
  struct Row {
    hyper::TextMap given;
    const char* message;
  };
  const Row rows[] = {
      {{{"foo", "1"}}, "Extraneous hyperparameter found: foo"},
      {{{"max_depth", "5.0"}},
       "Hyperparameter max_depth: could not parse value (caused by ValueError): '5.0' is not an integer"},
      {{{"max_depth", "abc"}},
       "Hyperparameter max_depth: could not parse value (caused by ValueError): 'abc' is not an integer"},
      {{{"eta", "0,5"}}, "Hyperparameter eta: could not parse value (caused by ValueError): '0,5' is not a number"},
      {{{"monotone_constraints", "(a)"}},
       "Hyperparameter monotone_constraints: could not parse value (caused by ValueError): '(a)' is not of its form"},
      {{{"interaction_constraints", "[1]"}},
       "Hyperparameter interaction_constraints: could not parse value (caused by ValueError): '[1]' is not of its "
       "form"},
      {{{"eta", "1.5"}}, "Hyperparameter eta: 1.5 is not in [0, 1]"},
      {{{"learning_rate", "2"}}, "Hyperparameter eta: 2.0 is not in [0, 1]"},
      {{{"gamma", "-1"}}, "Hyperparameter gamma: -1.0 is not in [0, +inf)"},
      {{{"gamma", "nan"}}, "Hyperparameter gamma: nan is not in [0, +inf)"},
      {{{"subsample", "0"}}, "Hyperparameter subsample: 0.0 is not in (0, 1]"},
      {{{"sketch_eps", "1"}}, "Hyperparameter sketch_eps: 1.0 is not in (0, 1)"},
      {{{"num_round", "0"}}, "Hyperparameter num_round: 0 is not in [1, +inf)"},
      {{{"num_class", "1"}}, "Hyperparameter num_class: 1 is not in [2, +inf)"},
      {{{"seed", "2147483647"}}, "Hyperparameter seed: 2147483647 is not in (-2147483648, 2147483647)"},
      {{{"booster", "x"}}, "Hyperparameter booster: x is not in ['gbtree', 'gblinear', 'dart']"},
      {{{"save_model_on_termination", "maybe"}},
       "Hyperparameter save_model_on_termination: maybe is not in ['true', 'false']"},
      {{{"monotone_constraints", "(2,0)"}},
       "Hyperparameter monotone_constraints: value (2, 0) not in range [-1, 0, 1]"},
      {{{"objective", "multi:softmax"}}, "Require input for parameter 'num_class' for multi-classification"},
      {{{"booster", "gblinear"}, {"updater", "grow_colmaker"}},
       "Linear updater should be one of these options: 'shotgun', 'coord_descent'."},
      {{{"booster", "gblinear"}, {"updater", "shotgun,coord_descent"}},
       "Linear updater should be one of these options: 'shotgun', 'coord_descent'."},
      {{{"process_type", "update"}, {"updater", "grow_colmaker"}},
       "process_type 'update' can only be used with updater 'refresh' and 'prune'"},
      {{{"eval_metric", "rmse@1"}},
       "Metric 'rmse@1' is not supported. Parameter 'eval_metric' with customized threshold should be one of these "
       "options: 'error', 'ndcg', 'map'."},
      {{{"eval_metric", "x@1"}},
       "Metric 'x@1' is not supported. Parameter 'eval_metric' with customized threshold should be one of these "
       "options: 'error', 'ndcg', 'map'."},
      {{{"eval_metric", "error@t"}}, "Threshold value 't' in 'error@t' expects float input."},
      {{{"eval_metric", "auc"}, {"objective", "reg:squarederror"}},
       "Metric 'auc' can only be applied for classification and ranking problems."},
      {{{"eval_metric", "auc"}}, "Metric 'auc' can only be applied for classification and ranking problems."},
      {{{"eval_metric", "aft-nloglik"}, {"objective", "survival:cox"}},
       "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective."},
      {{{"eval_metric", "error@0.7"}, {"objective", "multi:softmax"}, {"num_class", "3"}},
       "Metric 'error@0.7' needs one number a row, but objective 'multi:softmax' predicts a number for each class. "
       "'merror' and 'mlogloss' are for several classes."},
      {{{"eval_metric", "merror"}, {"objective", "binary:logistic"}},
       "Metric 'merror' needs a number for each class, but objective 'binary:logistic' predicts one number a row."},
      {{{"num_class", "3"}},
       "num_class 3 can only be given with objective 'multi:softmax' or 'multi:softprob', not 'reg:squarederror'."},
      {{{"max_bin", "1"}}, "Hyperparameter max_bin: 1 is not in [2, +inf)"},
      {{{"max_depth", "0"}, {"tree_method", "exact"}},
       "max_depth 0 (no limit) can only be given with tree_method 'hist' or 'approx', not 'exact'."},
      {{{"monotone_constraints", "(1)"}},
       "monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'."},
  };
  for (const Row& row : rows) EXPECT_EQ(problem_of(row.given), row.message);
}

TEST(XgboostHyperparameters, LongMessagesStartAsTheContainers) {
  EXPECT_THAT(problem_of({{"updater", "x"}}), StartsWith("Hyperparameter updater: value ['x'] not in range ["));
  EXPECT_THAT(problem_of({{"objective", "x"}}), StartsWith("Hyperparameter objective: x is not in ["));
  EXPECT_THAT(problem_of({{"eval_metric", "rmse,x"}}),
              StartsWith("Hyperparameter eval_metric: value ['rmse', 'x'] not in range ["));
  EXPECT_THAT(problem_of({{"updater", "shotgun"}}), StartsWith("Tree updater should be selected from these options:"));
  EXPECT_THAT(problem_of({{"updater", "grow_colmaker,grow_histmaker"}}),
              StartsWith("Only one tree grow plugin can be selected."));
  EXPECT_THAT(problem_of({{"interaction_constraints", "[[1,2]]"}}), StartsWith("interaction_constraints can be used"));
}

TEST(XgboostHyperparameters, ChecksComeInTheContainersOrder) {
  try {
    parse({{"foo", "1"}}, kNew);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "Missing required hyperparameter: num_round");
  }
  EXPECT_THAT(problem_of({{"eta", "7"}, {"max_depth", "x"}}), HasSubstr("max_depth: could not parse"));
  EXPECT_THAT(problem_of({{"objective", "multi:softmax"}, {"subsample", "7"}}), HasSubstr("subsample: 7.0"));
}

TEST(XgboostHyperparameters, PassOnOnlyWhatWasGiven) {
  const auto h = parse({{"num_round", "50"},
                        {"learning_rate", "0.2"},
                        {"max_depth", " 5 "},
                        {"csv_weights", "1"},
                        {"objective", "multi:softmax"},
                        {"num_class", "4"},
                        {"early_stopping_rounds", "3"},
                        {"eval_metric", "merror, mlogloss,merror"}},
                       kNew);
  EXPECT_EQ(h.num_round, 50);
  EXPECT_TRUE(h.csv_weights);
  EXPECT_EQ(h.early_stopping_rounds, 3);
  EXPECT_EQ(h.eval_metric, (std::vector<std::string>{"merror", "mlogloss"}));
  EXPECT_EQ(h.library, (decltype(h.library){
                           {"eta", "0.2"}, {"max_depth", "5"}, {"num_class", "4"}, {"objective", "multi:softmax"}}));
  EXPECT_TRUE(h.warnings.empty());
}

TEST(XgboostHyperparameters, DifferByTag) {
  struct Row {
    hyper::TextMap given;
    Tag tag;
    const char* message;
  };
  const Row rows[] = {
      {{{"_kfold", "5"}}, kOld, "Extraneous hyperparameter found: _kfold"},
      {{{"_kfold", "5"}}, {1, 2}, ""},
      {{{"sampling_method", "uniform"}}, {1, 2}, "Extraneous hyperparameter found: sampling_method"},
      {{{"sampling_method", "uniform"}}, {1, 3}, ""},
      {{{"single_precision_histogram", "true"}}, {1, 5}, ""},
      {{{"single_precision_histogram", "true"}}, kNew, "Extraneous hyperparameter found: single_precision_histogram"},
      {{{"use_dask_gpu_training", "True"}}, kNew, ""},
      {{{"use_dask_gpu_training", "true"}}, {1, 5}, "Extraneous hyperparameter found: use_dask_gpu_training"},
      {{{"tree_method", "gpu_hist"}}, kOld, "GPU training is not supported yet."},
      {{{"tree_method", "x"}}, kOld, "Hyperparameter tree_method: x is not in ['auto', 'exact', 'approx', 'hist']"},
      {{{"predictor", "auto"}}, kOld, "Hyperparameter predictor: auto is not in ['cpu_predictor']"},
      {{{"updater", "grow_local_histmaker"}}, {1, 5}, ""},
      {{{"silent", "0"}}, kNew, ""},
      {{{"silent", "0"}}, kOld, ""},
      {{{"_kfold", "5"}, {"silent", "1"}}, kClosed, ""},
  };
  for (const Row& row : rows) EXPECT_EQ(problem_of(row.given, row.tag), row.message);
  EXPECT_THAT(problem_of({{"updater", "grow_local_histmaker"}}, {3, 0}), HasSubstr("not in range"));
  EXPECT_THAT(problem_of({{"objective", "reg:absoluteerror"}}, {1, 5}), HasSubstr("is not in ["));
  EXPECT_EQ(problem_of({{"objective", "reg:absoluteerror"}}), "");
}

TEST(XgboostHyperparameters, TheBigMartTutorialIsAccepted) {
  const auto h = parse({{"max_depth", "5"},
                        {"eta", ".2"},
                        {"gamma", "4"},
                        {"min_child_weight", "6"},
                        {"subsample", ".7"},
                        {"silent", "0"},
                        {"objective", "multi:softmax"},
                        {"num_round", "50"},
                        {"num_class", "4"}},
                       kOld);
  EXPECT_EQ(library_value(h, "eta"), "0.2");
  EXPECT_EQ(library_value(h, "silent"), "<none>");
  EXPECT_EQ(h.warnings.size(), 1u);
}

TEST(XgboostHyperparameters, WhatTheLibraryLacksIsReplacedWithAWarning) {
  auto h = parse({{"num_round", "1"}, {"tree_method", "gpu_hist"}, {"predictor", "gpu_predictor"}}, kNew);
  EXPECT_EQ(library_value(h, "tree_method"), "hist");
  EXPECT_EQ(library_value(h, "predictor"), "cpu_predictor");
  EXPECT_EQ(h.warnings.size(), 2u);
  h = parse({{"num_round", "1"}, {"updater", "grow_skmaker,prune"}}, kNew);
  EXPECT_EQ(library_value(h, "updater"), "<none>");
  EXPECT_EQ(library_value(h, "tree_method"), "hist");
  EXPECT_EQ(library_value(parse({{"num_round", "1"}, {"silent", "1"}}, kNew), "verbosity"), "0");
}

TEST(XgboostHyperparameters, WhatTheContainerRefusesForNoReasonIsAllowed) {
  EXPECT_EQ(problem_of({{"eval_metric", "auc"}, {"objective", "multi:softprob"}, {"num_class", "3"}}), "");
  EXPECT_EQ(problem_of({{"monotone_constraints", "(1,0)"}, {"tree_method", "approx"}}), "");
  EXPECT_EQ(problem_of({{"interaction_constraints", "[[0,1]]"}, {"tree_method", "hist"}}), "");
  EXPECT_EQ(problem_of({{"eval_metric", "['rmse', 'mae']"}}), "");
  EXPECT_EQ(problem_of({{"eval_metric", "ndcg@5-"}, {"objective", "rank:ndcg"}}), "");
}

TEST(XgboostHyperparameters, ATuningMetricJoinsTheOthersSorted) {
  const auto h =
      parse({{"num_round", "1"}, {"eval_metric", "rmse,mae"}, {"_tuning_objective_metric", "validation:f1"}}, kNew);
  EXPECT_EQ(h.tuning_metric, "f1");
  EXPECT_EQ(h.eval_metric, (std::vector<std::string>{"f1", "mae", "rmse"}));
  EXPECT_THAT(problem_of({{"_tuning_objective_metric", "validation:nothing"}}), HasSubstr("_tuning_objective_metric"));
}

TEST(XgboostHyperparameters, NonsenseIsRefusedAndNothingElseHappens) {
  std::mt19937 random(1);
  const std::string alphabet = "0123456789.,-+()[]@'\" eEnaifx:\\\xff";
  const std::vector<std::string> starts{"",     "[[1,2],[3]]", "(1,0,-1)", "rmse,error@0.5", "grow_colmaker,prune",
                                        "1e308"};
  const Json rows = schema().describe();
  for (int i = 0; i < 40'000; ++i) {
    const auto name = rows[random() % rows.size()]["Name"].get<std::string>();
    std::string value = starts[random() % starts.size()];
    for (auto edits = random() % 6; edits > 0; --edits)
      value.insert(value.begin() + static_cast<std::ptrdiff_t>(random() % (value.size() + 1)),
                   alphabet[random() % alphabet.size()]);
    hyper::TextMap given{{name, value}};
    if (random() % 2 == 0) given["tree_method"] = "hist";
    problem_of(given, random() % 2 == 0 ? kNew : kOld);  // anything but Error{kInvalid} ends the test
  }
  EXPECT_THAT(problem_of({{"interaction_constraints", std::string(200'000, '[')}}), HasSubstr("could not parse value"));
  EXPECT_THAT(problem_of({{"interaction_constraints", std::string(200'000, '[') + std::string(200'000, ']')}}),
              HasSubstr("could not parse value"));
  EXPECT_THAT(problem_of({{"booster", std::string(100'000, 'x')}}), HasSubstr("xxx... is not in"));
}

TEST(XgboostTag, ComesFromTheImage) {
  EXPECT_EQ(tag_of({"sagemaker-xgboost", "1.0-1-cpu-py3"}), (Tag{1, 0}));
  EXPECT_EQ(tag_of({"sagemaker-xgboost", "0.90-2-cpu-py3"}), (Tag{0, 90}));
  EXPECT_EQ(tag_of({"sagemaker-xgboost", "3.0-5"}), (Tag{3, 0}));
  EXPECT_EQ(tag_of({"xgboost", "1"}), (Tag{0, 72}));
  EXPECT_EQ(tag_of({"xgboost", "latest"}), (Tag{0, 72}));
  EXPECT_EQ(tag_of({"xgboost", "1.5-1"}), (Tag{1, 5}));
  EXPECT_EQ(tag_of({"", ""}), (Tag{1, 7}));
  EXPECT_EQ(tag_of({"sagemaker-xgboost", "latest"}), (Tag{1, 7}));
  EXPECT_EQ(tag_of({"sagemaker-xgboost", "1."}), (Tag{1, 7}));
}

}  // namespace
}  // namespace clary::xgboost
