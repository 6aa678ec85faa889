// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/scores.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace clary::image_classification {
namespace {

TEST(Scores, CountBestAndTopKClasses) {
  Scores scores({.classes = 3, .top_k = 2});
  scores.add(3, std::vector<float>{3, 2, 1, 3, 2, 1, 1, 2, 2}, std::vector<float>{0, 2, 2}, 6);
  scores.add(1, std::vector<float>{0, 0, 9}, std::vector<float>{2}, 2);
  EXPECT_EQ(scores.pictures(), 4);
  EXPECT_DOUBLE_EQ(scores.loss(), 2);
  EXPECT_DOUBLE_EQ(scores.accuracy(), 0.5);         // of equal logits the lowest class counts
  EXPECT_DOUBLE_EQ(scores.top_k_accuracy(), 0.75);  // 0; 2 is third; 2 is second; 2
  EXPECT_DOUBLE_EQ(scores.classes()[2].recall(), 1.0 / 3);
  EXPECT_EQ(Scores({.classes = 3}).accuracy(), 0) << "no picture";
}

TEST(Scores, ALogitThatIsNoNumberIsNeverAmongTheTop) {
  Scores scores({.classes = 2, .top_k = 2});
  scores.add(1, std::vector<float>{NAN, NAN}, std::vector<float>{1}, NAN);
  EXPECT_EQ(scores.top_k_accuracy(), 0);
  EXPECT_TRUE(std::isnan(scores.loss()));
}

// Expected: scikit-learn 1.2's f1_score(average="macro") and average_precision_score(average="macro") of these numbers.
TEST(Scores, JudgeSeveralLabelsOneByOne) {
  Scores scores({.classes = 2, .multi_label = true, .keeps_predictions = true});
  scores.add(2, std::vector<float>{2, -1, 1, 3}, std::vector<float>{1, 0, 0, 1}, 1);
  scores.add(2, std::vector<float>{-2, 1, 0, -4}, std::vector<float>{1, 0, 0, 1}, 1);
  EXPECT_DOUBLE_EQ(scores.accuracy(), 3.0 / 8);
  EXPECT_DOUBLE_EQ(scores.f1(), (2.0 / 5 + 2.0 / 4) / 2);
  EXPECT_DOUBLE_EQ(scores.mean_average_precision(), ((0.5 * 1 + 0.5 * 2 / 4) + (0.5 * 1 + 0.5 * 2 / 4)) / 2);
}

}  // namespace
}  // namespace clary::image_classification
