// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/hyperparameters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "algorithms/linear_learner/linear_learner.h"
#include "base/error.h"

namespace clary::linear_learner {
namespace {

using hyper::TextMap;

Hyperparameters parsed(TextMap given) {
  given.emplace("predictor_type", "binary_classifier");
  return schema().parse(given);
}

std::string problem(const TextMap& given) {
  try {
    schema().parse(given);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    return error.what();
  }
}

TEST(LinearLearnerHyperparameters, DefaultsAreThePublishedOnes) {
  const auto hp = parsed({});
  EXPECT_EQ(hp.mini_batch_size, 1000);
  EXPECT_EQ(hp.epochs, 15);
  EXPECT_EQ(hp.models(), 32);
  EXPECT_EQ(hp.resolved_loss(), Loss::kLogistic);
  EXPECT_EQ(hp.normalize_data, true);
  EXPECT_FALSE(hp.normalize_label || hp.learning_rate || hp.wd || hp.feature_dim);
  EXPECT_EQ(hp.num_calibration_samples, 10'000'000);
  EXPECT_EQ(hp.resolved_bias_lr_mult(), 10);
  EXPECT_EQ(schema().defaults().at("loss"), "auto");
  EXPECT_EQ(schema().defaults().at("optimizer"), "auto");
  EXPECT_EQ(schema().defaults().at("wd"), "auto");
}

TEST(LinearLearnerHyperparameters, TakesEverySpelling) {
  const auto hp = parsed({{"use_bias", "False"},
                          {"normalize_data", "AUTO"},
                          {"unbias_data", "1"},
                          {"wd", "1e-3"},
                          {"num_models", "auto"},
                          {"epochs", "1e1"},
                          {"use_lr_scheduler", "0"},
                          {"positive_example_weight_mult", "balanced"}});
  EXPECT_FALSE(hp.use_bias);
  EXPECT_FALSE(hp.normalize_data.has_value());
  EXPECT_EQ(hp.unbias_data, true);
  EXPECT_FALSE(hp.shifts_features()) << "no bias, no shift";
  EXPECT_EQ(hp.wd, 1e-3);
  EXPECT_EQ(hp.models(), 32);
  EXPECT_EQ(hp.epochs, 10);
  EXPECT_FALSE(hp.use_lr_scheduler);
  EXPECT_EQ(hp.positive_example_weight_mult, kBalancedWeight);
  EXPECT_EQ(parsed({{"positive_example_weight_mult", "auto"}}).positive_example_weight_mult, kAutomaticWeight);
}

TEST(LinearLearnerHyperparameters, EveryDefaultIsAcceptedBack) {
  TextMap given = schema().defaults();
  given["predictor_type"] = "regressor";
  EXPECT_EQ(problem(given), "");
}

TEST(LinearLearnerHyperparameters, TakesTheBooksRegressionAndSaysSo) {
  const TextMap given{{"predictor_type", "regression"}};
  const auto hp = schema().parse(given);
  EXPECT_EQ(hp.predictor_type, PredictorType::kRegressor);
  ASSERT_EQ(remarks(hp, given).size(), 1u);
  EXPECT_NE(remarks(hp, given)[0].find("taken as 'regressor'"), std::string::npos);
  EXPECT_TRUE(remarks(parsed({}), {{"predictor_type", "binary_classifier"}}).empty());
}

TEST(LinearLearnerHyperparameters, IsOneModelInATuningJob) {
  const TextMap given{
      {"predictor_type", "regressor"}, {"num_models", "8"}, {"_tuning_objective_metric", "validation:mse"}};
  const auto hp = schema().parse(given);
  EXPECT_EQ(hp.models(), 1);
  ASSERT_EQ(remarks(hp, given).size(), 1u);
  EXPECT_NE(remarks(hp, given)[0].find("num_models"), std::string::npos);
}

TEST(LinearLearnerHyperparameters, RefusesWhatBreaksARule) {
  const struct {
    TextMap given;
    std::string says;
  } rows[] = {
      {{}, "No value(s) were specified for 'predictor_type'"},
      {{{"predictor_type", "classifier"}}, "expected one of binary_classifier, multiclass_classifier, regressor"},
      {{{"predictor_type", "multiclass_classifier"}}, "num_classes must be given, from 3"},
      {{{"predictor_type", "multiclass_classifier"}, {"num_classes", "2"}}, "given num_classes=2"},
      {{{"predictor_type", "regressor"}, {"loss", "softmax_loss"}}, "loss=softmax_loss, predictor_type=regressor"},
      {{{"predictor_type", "binary_classifier"}, {"loss", "squared_loss"}}, "logistic or hinge_loss"},
      {{{"predictor_type", "regressor"}, {"loss", "log"}}, "loss: 'log' is not valid under any of the given schemas"},
      {{{"predictor_type", "regressor"}, {"quantile", "1"}}, "expected a number above 0 and below 1"},
      {{{"predictor_type", "regressor"}, {"wd", "-1"}}, "expected a number of at least 0 or 'auto'"},
      {{{"predictor_type", "regressor"}, {"learning_rate", "0"}}, "expected a number above 0 or 'auto'"},
      {{{"predictor_type", "regressor"}, {"epochs", "abc"}},
       "epochs: 'abc' is not valid under any of the given schemas: expected an integer of at least 1"},
      {{{"predictor_type", "regressor"}, {"normalize_data", "yes"}}, "expected true or false or 'auto'"},
      {{{"predictor_type", "regressor"}, {"epoch", "3"}},
       "Additional properties are not allowed ('epoch' was unexpected); did you mean 'epochs'?"},
  };
  for (const auto& row : rows) EXPECT_NE(problem(row.given).find(row.says), std::string::npos) << problem(row.given);
}

TEST(LinearLearnerHyperparameters, KnobsThatDoNotApplyAreIgnored) {
  EXPECT_EQ(problem({{"predictor_type", "regressor"}, {"margin", "2"}, {"num_classes", "2"}, {"momentum", "0.9"}}), "");
}

TEST(LinearLearnerDescriptor, EveryMetricOfTheTableIsThere) {
  std::vector<std::string> names;
  for (const auto& metric : descriptor().metrics) names.push_back(metric.name);
  EXPECT_EQ(names.size(), 7u + 3 * 6 + 1 + 2 * 8);
  for (const char* wanted : {"train:objective_loss:final", "test:objective_loss", "validation:binary_f_beta",
                             "test:multiclass_top_k_accuracy", "validation:roc_auc_score", "train:mse"})
    EXPECT_NE(std::find(names.begin(), names.end(), wanted), names.end()) << wanted;
}

}  // namespace
}  // namespace clary::linear_learner
