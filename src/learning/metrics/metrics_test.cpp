// SPDX-License-Identifier: Apache-2.0
// Figures against scikit-learn 1.2's on the same rows.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "learning/metrics/class_counts.h"
#include "learning/metrics/ranking.h"
#include "learning/metrics/regression_sums.h"

namespace clary::metrics {
namespace {

/// y = [0, 0, 0, 1, 1, 2], predicted = [0, 1, 0, 1, 1, 0]; class 3 does not occur.
std::vector<ClassCounts> sample() {
  std::vector<ClassCounts> out(4);
  const std::size_t labels[] = {0, 0, 0, 1, 1, 2}, predicted[] = {0, 1, 0, 1, 1, 0};
  for (int i = 0; i < 6; ++i) add_row(out, labels[i], predicted[i]);
  return out;
}

TEST(ClassCounts, GivePrecisionRecallAndF) {
  const auto counts = sample();
  EXPECT_DOUBLE_EQ(counts[0].precision(), 2 / 3.0);
  EXPECT_DOUBLE_EQ(counts[0].recall(), 2 / 3.0);
  EXPECT_DOUBLE_EQ(counts[1].f(), 0.8);
  EXPECT_DOUBLE_EQ(counts[1].f(2), 10 / 11.0);
  EXPECT_EQ(counts[2].precision(), 0) << "never predicted";
  EXPECT_EQ(counts[3].f(), 0);
  EXPECT_DOUBLE_EQ(accuracy(counts), 4 / 6.0);
}

TEST(ClassCounts, MeansSayWhichClassesCount) {
  const auto counts = sample();
  const auto recall = [](const ClassCounts& c) { return c.recall(); };
  EXPECT_DOUBLE_EQ(mean(counts, Over::kAll, recall), (2 / 3.0 + 1) / 4);
  EXPECT_DOUBLE_EQ(mean(counts, Over::kOccurring, recall), (2 / 3.0 + 1) / 3);
  EXPECT_DOUBLE_EQ(balanced_accuracy(counts), (2 / 3.0 + 1) / 3);
  std::vector<ClassCounts> guessed(2);
  add_row(guessed, 0, 1);
  EXPECT_DOUBLE_EQ(mean(guessed, Over::kLabelled, [](const ClassCounts&) { return 1.0; }), 1);
  EXPECT_DOUBLE_EQ(mean(guessed, Over::kOccurring, recall), 0);
  EXPECT_EQ(accuracy(std::vector<ClassCounts>(2)), 0);
}

TEST(RegressionSums, GiveErrorsAndR2) {
  RegressionSums sums;
  const double labels[] = {3, -0.5, 2, 7}, predictions[] = {2.5, 0, 2, 8};
  for (int i = 0; i < 4; ++i) sums.add(labels[i], predictions[i]);
  EXPECT_DOUBLE_EQ(sums.mean_squared_error(), 0.375);
  EXPECT_DOUBLE_EQ(sums.mean_absolute_error(), 0.5);
  EXPECT_DOUBLE_EQ(sums.root_mean_squared_error(), std::sqrt(0.375));
  EXPECT_NEAR(sums.r2(), 0.9486081370449679, 1e-15);
  RegressionSums constant;
  EXPECT_TRUE(std::isnan(constant.r2()));
  constant.add(2, 2), constant.add(2, 2);
  EXPECT_EQ(constant.r2(), 1);
  constant.add(2, 3);
  EXPECT_EQ(constant.r2(), 0);
}

TEST(RocAuc, CountsPairsAndHalfOfTies) {
  EXPECT_DOUBLE_EQ(roc_auc(std::vector<float>{0.1F, 0.4F, 0.35F, 0.8F}, std::vector<float>{0, 0, 1, 1}), 0.75);
  EXPECT_DOUBLE_EQ(roc_auc(std::vector<float>{1, 1, 1}, std::vector<float>{0, 1, 1}), 0.5);
  EXPECT_EQ(roc_auc(std::vector<float>{-3, -2, -1, -0.0F, 0, 1}, std::vector<float>{0, 0, 0, 1, 1, 1}), 1);
  EXPECT_EQ(roc_auc(std::vector<float>{-0.0F, 0}, std::vector<float>{0, 1}), 0.5) << "both zeros are the same score";
  EXPECT_DOUBLE_EQ(roc_auc(std::vector<float>{-3, 2}, std::vector<float>{1, 1}), 0.5) << "one class is absent";
  EXPECT_DOUBLE_EQ(roc_auc(std::vector<float>{NAN, 2}, std::vector<float>{0, 1}), 0.5) << "a model that diverged";
}

// Expected values by scikit-learn 1.2's average_precision_score.
TEST(AveragePrecision, IsScikitLearns) {
  EXPECT_DOUBLE_EQ(average_precision(std::vector<float>{0.1F, 0.4F, 0.35F, 0.8F}, std::vector<float>{0, 0, 1, 1}),
                   5.0 / 6);
  EXPECT_DOUBLE_EQ(average_precision(std::vector<float>{1, 1, 1}, std::vector<float>{0, 1, 1}), 2.0 / 3) << "all tie";
  EXPECT_DOUBLE_EQ(
      average_precision(std::vector<float>{0.2F, 0.5F, 0.5F, 0.9F, 0.1F}, std::vector<float>{1, 1, 0, 0, 0}),
      0.5 / 3 + 0.5 * 2 / 4);
  EXPECT_EQ(average_precision(std::vector<float>{1, 2}, std::vector<float>{0, 0}), 0);
  EXPECT_EQ(average_precision(std::vector<float>{NAN, 2}, std::vector<float>{1, 1}), 0) << "a model that diverged";
}

}  // namespace
}  // namespace clary::metrics
