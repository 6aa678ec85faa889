// SPDX-License-Identifier: Apache-2.0
#include "algorithms/knn/serve/vote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace clary::knn {
namespace {

using ::testing::ElementsAre;

TEST(Vote, TiesGoToTheSmallestLabel) {
  EXPECT_EQ(majority(std::vector<float>{3, 1, 3, 1, 2}), 1);
  EXPECT_EQ(majority(std::vector<float>{5}), 5);
  EXPECT_EQ(majority(std::vector<float>{2, -1, 2}), 2);
  EXPECT_TRUE(std::isnan(majority({})));
  EXPECT_FLOAT_EQ(mean(std::vector<float>{1, 2, 6}), 3);
}

TEST(Vote, PrefixesAreTheAnswersOfSmallerK) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> labels(20);
    for (float& label : labels) label = static_cast<float>(random() % 5);
    for (const Task task : {Task::kClassifier, Task::kRegressor}) {
      const auto prefixes = prefix_answers(task, labels);
      for (std::size_t k = 1; k <= labels.size(); ++k) {
        ASSERT_EQ(prefixes[k - 1], answer(task, std::span(labels).first(k)));
      }
    }
  }
}

TEST(Vote, SharesAreProportions) {
  const auto shares = class_shares(std::vector<float>{2, 7, 2, 2});
  EXPECT_THAT(shares.classes, ElementsAre(2, 7));
  EXPECT_THAT(shares.shares, ElementsAre(.75F, .25F));
}

}  // namespace
}  // namespace clary::knn
