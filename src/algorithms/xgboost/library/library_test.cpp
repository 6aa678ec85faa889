// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/library/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "learning/hyper/schema.h"

namespace clary::xgboost {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// y = 2 * x0, with a column of noise and a missing value.
Matrix sample(std::int64_t rows = 64) {
  std::vector<float> values, labels;
  for (std::int64_t r = 0; r < rows; ++r) {
    values.push_back(static_cast<float>(r));
    values.push_back(r == 3 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(r % 5));
    labels.push_back(2 * static_cast<float>(r));
  }
  Matrix out = Matrix::from_dense(values, rows, 2, 1);
  out.set_labels(labels);
  return out;
}

Booster trained(const Matrix& matrix, int rounds) {
  const Matrix* all[] = {&matrix};
  Booster booster(all);
  booster.set("max_depth", "2");
  for (int round = 0; round < rounds; ++round) booster.update(round, matrix);
  return booster;
}

TEST(Library, MessageLosesPositionAndStackTrace) {
  EXPECT_EQ(library_message("[14:42:21] ./src/objective/regression_obj.cu:148: label must be in [0,1] for logistic "
                            "regression\nStack trace:\n  [bt] (0) /usr/lib/libxgboost.so"),
            "label must be in [0,1] for logistic regression");
  EXPECT_EQ(library_message("[14:42:21] ./src/x.h:94: Check failed: a > 0: b: 1.5\nStack trace:\n"),
            "Check failed: a > 0: b: 1.5");
  EXPECT_EQ(library_message("Invalid Parameter format for max_depth expect int but value='abc'"),
            "Invalid Parameter format for max_depth expect int but value='abc'");
}

TEST(Library, DenseAndCsrMatricesHoldTheSameRows) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> dense{1, nan, 0, nan, 2, 3};
  const Matrix a = Matrix::from_dense(dense, 2, 3, 1);
  EXPECT_EQ(a.rows(), 2);
  EXPECT_EQ(a.columns(), 3);
  EXPECT_EQ(a.non_missing(), 4);
  const std::vector<std::int64_t> offsets{0, 2, 4};
  const std::vector<std::int32_t> columns{0, 2, 1, 2};
  const std::vector<float> values{1, 0, 2, 3};
  const Matrix b = Matrix::from_csr(offsets, columns, values, 3, 1);
  EXPECT_EQ(b.rows(), 2);
  EXPECT_EQ(b.columns(), 3);
  EXPECT_EQ(b.non_missing(), 4);
}

TEST(Library, EmptyMatricesAreMade) {
  const std::vector<std::int64_t> offsets{0};
  EXPECT_EQ(Matrix::from_csr(offsets, {}, {}, 3, 1).rows(), 0);
}

TEST(Library, MatrixKeepsLabelsWeightsAndNames) {
  Matrix matrix = sample(4);
  const std::vector<float> weights{1, 2, 3, 4};
  matrix.set_weights(weights);
  matrix.set_feature_names({"age", "height"});
  EXPECT_THAT(matrix.labels(), ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(matrix.weights(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(matrix.feature_names(), ElementsAre("age", "height"));
  const std::vector<int> rows{3, 1};
  const Matrix slice = matrix.slice(rows);
  EXPECT_THAT(slice.labels(), ElementsAre(6, 2));
  EXPECT_THAT(slice.weights(), ElementsAre(4, 2));
}

TEST(Library, BoosterLearnsAndEvaluates) {
  const Matrix matrix = sample();
  Booster booster = trained(matrix, 30);
  const Matrix* all[] = {&matrix};
  EXPECT_THAT(booster.evaluate(29, all, {"train"}), testing::StartsWith("[29]\ttrain-rmse:"));
  const auto prediction = booster.predict(matrix);
  EXPECT_THAT(prediction.shape, ElementsAre(64));
  EXPECT_NEAR(prediction.values[40], 80, 3);
  EXPECT_EQ(booster.boosted_rounds(), 30);
  EXPECT_EQ(booster.num_features(), 2);
  EXPECT_EQ(booster.slice(0, 10).boosted_rounds(), 10);
}

TEST(Library, ModelsSurviveEveryFormat) {
  const Matrix matrix = sample();
  Booster booster = trained(matrix, 5);
  booster.set_attribute("best_iteration", "4");
  const auto expected = booster.predict(matrix).values;
  for (const auto format : {ModelFormat::kDeprecated, ModelFormat::kJson, ModelFormat::kUbj}) {
    Booster loaded;
    loaded.load_from_buffer(booster.save_to_buffer(format));
    EXPECT_EQ(loaded.predict(matrix).values, expected);
    EXPECT_EQ(loaded.attribute("best_iteration"), "4");
    EXPECT_EQ(loaded.attribute("nothing"), std::nullopt);
  }
  Booster restored;
  restored.unserialize(booster.serialize());
  EXPECT_EQ(restored.predict(matrix).values, expected);
}

TEST(Library, LabelsOutOfRangeAreTheUsersFault) {
  const Matrix matrix = sample();
  const Matrix* all[] = {&matrix};
  Booster booster(all);
  booster.set("objective", "binary:logistic");
  try {
    booster.update(0, matrix);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    EXPECT_STREQ(error.what(), "label must be in [0,1] for logistic regression");
  }
}

/// What one round and its evaluation end with; "" when they end well.
std::string failure(const hyper::TextMap& parameters, float label, std::optional<Kind>* kind = nullptr) {
  Matrix matrix = sample(8);
  matrix.set_labels(std::vector<float>{1, 0, label, 1, 0, 1, 0, 1});
  const Matrix* all[] = {&matrix};
  try {
    Booster booster(all);
    for (const auto& [name, value] : parameters) booster.set(name, value);
    booster.update(0, matrix);
    booster.evaluate(0, all, {"train"});
  } catch (const Error& error) {
    if (kind != nullptr) *kind = error.kind();
    return error.what();
  }
  return "";
}

/// The texts of a library differ by version: those that this build's library prints are the ones in the table.
TEST(Library, MistakesOfTheRequestAreTheUsersFaultWhateverTheLibraryPrints) {
  struct Case {
    hyper::TextMap parameters;
    float label;
    const char* words;
  };
  const Case cases[] = {
      {{{"objective", "multi:softmax"}, {"num_class", "3"}, {"eval_metric", "error"}}, 1, "use merror or mlogloss"},
      {{{"objective", "multi:softprob"}, {"num_class", "3"}, {"eval_metric", "rmse"}}, 1, "use merror or mlogloss"},
      {{{"objective", "multi:softprob"}, {"num_class", "3"}, {"eval_metric", "map"}}, 1, "use merror or mlogloss"},
      {{{"objective", "binary:logistic"}, {"eval_metric", "mlogloss"}}, 1, "label must be in [0, num_class)"},
      {{{"objective", "reg:squarederror"}, {"num_class", "3"}}, 1, "num_class belongs to multi:softmax"},
      {{{"objective", "reg:gamma"}}, 0, "GammaRegression: label must be positive"},
      {{{"objective", "count:poisson"}}, -1, "PoissonRegression: label must be nonnegative"},
      {{{"objective", "reg:tweedie"}}, -1, "TweedieRegression: label must be nonnegative"},
      {{{"objective", "reg:squaredlogerror"}}, -1, "label must be greater than -1"},
      {{{"objective", "binary:logistic"}}, 2, "label must be in [0,1] for logistic regression"},
      {{{"objective", "multi:softmax"}, {"num_class", "2"}}, 2, "label must be in [0, num_class)"},
      {{{"objective", "binary:logistic"}, {"base_score", "1"}}, 1, "base_score must be in (0,1)"},
      {{{"tree_method", "exact"}, {"max_depth", "0"}}, 1, "max_depth 0 (no limit) needs tree_method hist or approx"},
      {{{"tree_method", "hist"}, {"max_bin", "1"}}, 1, "value 1 for Parameter max_bin should be greater equal to 2"},
      {{{"max_depth", "abc"}}, 1, "Invalid Parameter format for max_depth"},
      {{{"process_type", "update"}, {"updater", "refresh"}}, 1, "process_type update needs an existing model"},
      {{{"updater", "refresh"}}, 1, "updater refresh and prune alone grow no trees"},
      {{{"updater", "coord_descent"}}, 1, "Unknown tree updater coord_descent"},
      {{{"booster", "gblinear"}, {"updater", "prune"}}, 1, "Unknown linear updater prune"},
  };
  for (const Case& c : cases) {
    std::optional<Kind> kind;
    const std::string message = failure(c.parameters, c.label, &kind);
    EXPECT_EQ(kind, Kind::kInvalid) << message;
    EXPECT_THAT(message, HasSubstr(c.words));
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_THAT(message, Not(HasSubstr("Check failed: preds.Size()")));
  }
}

TEST(Library, OtherFailuresSayThatTheyCameFromTraining) {
  const Matrix matrix = sample();
  const Matrix* all[] = {&matrix};
  Booster booster(all);
  booster.set("objective", "nonsense");
  try {
    booster.update(0, matrix);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInternal);
    EXPECT_THAT(error.what(),
                testing::StartsWith("XGB train call failed with exception:\n Unknown objective function"));
    EXPECT_THAT(error.what(), Not(HasSubstr("Stack trace")));
  }
}

TEST(Library, LogLinesReachTheSink) {
  std::vector<std::string> lines;
  on_log([&](std::string_view line) { lines.emplace_back(line); });
  const Matrix matrix = sample();
  const Matrix* all[] = {&matrix};
  Booster booster(all);
  booster.set("silent", "0");
  booster.set("validate_parameters", "1");
  booster.update(0, matrix);
  on_log({});
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines.front(), HasSubstr(R"(Parameters: { "silent" } are not used.)"));
}

}  // namespace
}  // namespace clary::xgboost
