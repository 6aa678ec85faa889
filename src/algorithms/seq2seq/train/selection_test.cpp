// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/selection.h"

#include <gtest/gtest.h>

namespace clary::seq2seq {
namespace {

Hyperparameters by(Metric metric) {
  Hyperparameters hp;
  hp.optimized_metric = metric;
  hp.checkpoint_threshold = 2;
  return hp;
}

TEST(Selection, TheFirstCheckpointAndStrictlyBetterOnesCount) {
  Selection lower(by(Metric::kPerplexity));
  EXPECT_TRUE(lower.add(9, 9));
  EXPECT_FALSE(lower.add(9, 9));
  EXPECT_TRUE(lower.add(8, 8));
  EXPECT_FALSE(lower.add(std::nan(""), std::nan("")));
  EXPECT_EQ(lower.best()->value, 8);
  Selection higher(by(Metric::kAccuracy));
  EXPECT_TRUE(higher.add(0, 5));
  EXPECT_FALSE(higher.add(0, 4)) << "perplexity decides for BLEU only";
  EXPECT_TRUE(higher.add(0.1, 6));
}

TEST(Selection, OfEqualBleuTheLowerPerplexityCounts) {
  Selection selection(by(Metric::kBleu));
  EXPECT_TRUE(selection.add(0, 50));
  EXPECT_FALSE(selection.add(0, 50));
  EXPECT_TRUE(selection.add(0, 40));
  EXPECT_TRUE(selection.add(0.1, 60));
  EXPECT_FALSE(selection.add(0.05, 1));
}

TEST(Selection, StopsAfterTheThresholdUnlessEpochsAreMissing) {
  Hyperparameters hp = by(Metric::kPerplexity);
  hp.min_num_epochs = 3;
  Selection selection(hp);
  selection.add(5, 5);
  selection.add(6, 6);
  EXPECT_FALSE(selection.stops(10));
  selection.add(6, 6);
  EXPECT_FALSE(selection.stops(2));
  EXPECT_TRUE(selection.stops(3));
  EXPECT_EQ(selection.idle(), 2);
  hp.max_num_epochs = 100;
  Selection goes_on(hp);
  for (int i = 0; i < 10; ++i) goes_on.add(5, 5);
  EXPECT_FALSE(goes_on.stops(50)) << "max_num_epochs turns early stopping off";
}

TEST(Selection, AnInvalidFirstScoreIsReplaced) {
  Selection selection(by(Metric::kPerplexity));
  EXPECT_TRUE(selection.add(std::nan(""), std::nan("")));
  EXPECT_TRUE(selection.add(7, 7));
}

}  // namespace
}  // namespace clary::seq2seq
