// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/evaluate/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "base/files.h"
#include "base/json.h"
#include "support/paths.h"

namespace clary::linear_learner {
namespace {

/// Numbers of scikit-learn; tests/golden/linear_learner/make_metrics.py says how.
Json golden(const std::string& task) {
  return parse_json(read_file(tests::source_folder() / "tests/golden/linear_learner/metrics.json", 1 << 20)).at(task);
}

Scores scores_of(const Json& data) {
  Scores s;
  s.raw = data["f"].get<std::vector<float>>();
  s.labels = data["y"].get<std::vector<float>>();
  s.rows = static_cast<std::int64_t>(s.labels.size());
  s.outputs = static_cast<std::int64_t>(s.raw.size() / s.labels.size());
  return s;
}

void expect_equal(const std::vector<NamedMetric>& actual, const Json& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const NamedMetric& metric : actual) {
    ASSERT_TRUE(expected.contains(metric.name)) << metric.name;
    EXPECT_NEAR(metric.value, expected[metric.name].get<double>(), 2e-7) << metric.name;
  }
}

std::string names(const std::vector<NamedMetric>& metrics) {
  std::string out;
  for (const NamedMetric& metric : metrics) out += metric.name + (metric.kind == "loss" ? "- " : "+ ");
  return out;
}

TEST(LinearLearnerMetrics, BinaryAgreesWithScikitLearn) {
  const Json data = golden("binary");
  Hyperparameters hp{.predictor_type = PredictorType::kBinary};
  hp.f_beta = 2;
  const auto actual = final_metrics(hp, 0.45, {}, scores_of(data));
  expect_equal(actual, data["metrics"]);
  EXPECT_EQ(names(actual),
            "binary_classification_cross_entropy_objective- binary_classification_accuracy+ binary_f_2.000+ "
            "precision+ recall+ roc_auc_score+ threshold+ ");
  EXPECT_NEAR(mean_loss(hp, {}, scores_of(data), 3), data["weighted_objective"].get<double>(), 1e-7);
}

TEST(LinearLearnerMetrics, MulticlassAgreesWithScikitLearn) {
  const Json data = golden("multiclass");
  Hyperparameters hp{.predictor_type = PredictorType::kMulticlass, .num_classes = 5};
  hp.f_beta = 0.5, hp.accuracy_top_k = 2;
  const auto actual = final_metrics(hp, 0.5, {}, scores_of(data));
  expect_equal(actual, data["metrics"]);
  EXPECT_EQ(names(actual),
            "multiclass_cross_entropy_objective- multiclass_accuracy+ multiclass_top_k_accuracy_2+ dcg+ macro_recall+ "
            "macro_precision+ macro_f_0.500+ multiclass_balanced_accuracy+ multiclass_log_loss- ");
  const auto weighted = final_metrics(hp, 0.5, {2, 2, 2, 2, 2}, scores_of(data));
  EXPECT_NEAR(weighted[0].value, 2 * actual[0].value, 1e-12) << "class weights act on the objective";
  EXPECT_EQ(weighted.back().value, actual.back().value) << "and on nothing else";
}

TEST(LinearLearnerMetrics, RegressionAgreesWithScikitLearn) {
  const Json data = golden("regression");
  Hyperparameters hp;
  const auto actual = final_metrics(hp, 0.5, {}, scores_of(data));
  expect_equal(actual, data["metrics"]);
  EXPECT_EQ(names(actual), "mse_objective- mse- absolute_loss- rmse- ");
  hp.loss = Loss::kQuantile, hp.quantile = 0.3;
  EXPECT_NEAR(mean_loss(hp, {}, scores_of(data)), data["pinball_0.3"].get<double>(), 1e-9);
  EXPECT_EQ(final_metrics(hp, 0.5, {}, scores_of(data))[0].name, "quantile_loss_objective");
}

TEST(LinearLearnerMetrics, LossesFollowTheirFormulas) {
  const struct {
    Loss loss;
    double f, y, expected;
  } rows[] = {{Loss::kSquared, 3, 1, 4},
              {Loss::kAbsolute, 1, 3, 2},
              {Loss::kHuber, 0.5, 0, 0.125},
              {Loss::kHuber, 3, 0, 2.5},
              {Loss::kEpsInsensitiveSquared, 2, 0, 3.75},
              {Loss::kEpsInsensitiveSquared, 0.4, 0, 0},
              {Loss::kEpsInsensitiveAbsolute, 2, 0, 1.5},
              {Loss::kQuantile, 0, 2, 0.5},
              {Loss::kQuantile, 2, 0, 1.5}};
  for (const auto& row : rows) {
    Hyperparameters hp;
    hp.loss = row.loss, hp.loss_insensitivity = 0.5, hp.quantile = 0.25;
    const Scores s{1, 1, {static_cast<float>(row.f)}, {static_cast<float>(row.y)}};
    EXPECT_NEAR(mean_loss(hp, {}, s), row.expected, 1e-12) << name_of(row.loss) << " f=" << row.f;
  }
  Hyperparameters hp{.predictor_type = PredictorType::kBinary};
  hp.loss = Loss::kHinge;  // zero for positives from 1 and for negatives up to 0
  EXPECT_EQ(mean_loss(hp, {}, {2, 1, {1, 0}, {1, 0}}), 0);
  EXPECT_EQ(mean_loss(hp, {}, {2, 1, {0.5f, 0.5f}, {1, 0}}), 0.5);
  EXPECT_EQ(final_metrics(hp, 0.5, {}, {2, 1, {1, 0}, {1, 0}})[0].name, "hinge_loss_objective");
}

}  // namespace
}  // namespace clary::linear_learner
