// SPDX-License-Identifier: Apache-2.0
#include "algorithms/knn/evaluate/score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace clary::knn {
namespace {

using ::testing::ElementsAre;

TEST(Score, EqualsScikitLearn) {
  // sklearn.metrics on y = [0 0 1 1 2 2 2 3], p = [0 1 1 1 2 0 2 1]: accuracy 5/8, f1 = [.5, 2/3, .8, 0], labels 0..3.
  Score score(Task::kClassifier);
  const std::vector<float> y = {0, 0, 1, 1, 2, 2, 2, 3}, p = {0, 1, 1, 1, 2, 0, 2, 1};
  for (std::size_t i = 0; i < y.size(); ++i) score.add(y[i], std::vector<float>{9, p[i]});
  EXPECT_DOUBLE_EQ(score.accuracy(), 5. / 8);
  EXPECT_NEAR(score.macro_f1(), (.5 + 2. / 3 + .8 + 0) / 4, 1e-12);
  EXPECT_THAT(score.by_k(), ElementsAre(0, 5. / 8));
  EXPECT_DOUBLE_EQ(score.classes().at(2).recall(), 2. / 3);
  EXPECT_DOUBLE_EQ(score.classes().at(1).precision(), .5);
}

TEST(Score, AClassThatDoesNotOccurIsNoNan) {
  Score score(Task::kClassifier);  // labels 1 and 7 only; a prediction of 3 has no support
  score.add(1, std::vector<float>{1});
  score.add(7, std::vector<float>{3});
  score.add(7, {});
  EXPECT_DOUBLE_EQ(score.macro_f1(), .5);
  EXPECT_DOUBLE_EQ(score.accuracy(), 1. / 3);
}

TEST(Score, MeanSquaredError) {
  Score score(Task::kRegressor);
  score.add(1, std::vector<float>{1, 3});
  score.add(2, std::vector<float>{2, 2});
  EXPECT_DOUBLE_EQ(score.mean_squared_error(), 2);
  EXPECT_THAT(score.by_k(), ElementsAre(0, 2));
}

}  // namespace
}  // namespace clary::knn
