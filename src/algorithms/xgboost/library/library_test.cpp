// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/library/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

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
