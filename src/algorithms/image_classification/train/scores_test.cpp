// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/scores.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
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

/// Numbers that another program can draw, too: the upper bits of a linear congruence (C's example of rand()).
class Draws {
 public:
  int below(int limit) {
    state_ = (1103515245 * state_ + 12345) % (std::uint64_t{1} << 31);
    return static_cast<int>(state_ >> 16) % limit;
  }

 private:
  std::uint64_t state_ = 12345;
};

// Logits of few values, so that most tie with many others; class 3 has no picture, class 4 every one. Expected:
// scikit-learn 1.2.1's average_precision_score(average="macro") of the same draws over the classes that have pictures.
// It counts a class without any as 0 (.38321 of all five): that would lower every model's score alike.
TEST(Scores, MeanAveragePrecisionEqualsScikitLearnsOverTheClassesThatOccur) {
  constexpr int kClasses = 5, kBatches = 8, kBatch = 25;
  constexpr int kValues[] = {3, 9, 41, 9, 9}, kPercent[] = {30, 50, 20, 0, 100};
  Draws draws;
  Scores scores({.classes = kClasses, .multi_label = true, .keeps_predictions = true});
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<float> logits, labels;
    for (int i = 0; i < kBatch * kClasses; ++i) {
      const int values = kValues[i % kClasses];
      logits.push_back(static_cast<float>(draws.below(values) - values / 2) / 4);
      labels.push_back(draws.below(100) < kPercent[i % kClasses] ? 1.0F : 0.0F);
    }
    scores.add(kBatch, logits, labels, 0);
  }
  EXPECT_EQ(scores.classes()[2].labelled, 34) << "the draws are the other program's";
  EXPECT_EQ(scores.classes()[3].labelled, 0);
  EXPECT_NEAR(scores.mean_average_precision(), 0.47901834638404817, 1e-14);
}

TEST(Scores, MeanAveragePrecisionWithoutAnyLabelIsZero) {
  Scores scores({.classes = 2, .multi_label = true, .keeps_predictions = true});
  scores.add(1, std::vector<float>{1, 2}, std::vector<float>{0, 0}, 0);
  EXPECT_EQ(scores.mean_average_precision(), 0);
}

}  // namespace
}  // namespace clary::image_classification
