// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/parts.h"

#include <gtest/gtest.h>

#include <vector>

#include "algorithms/image_classification/train/class_weights.h"
#include "algorithms/image_classification/train/early_stopping.h"

namespace clary::image_classification {
namespace {

std::vector<std::int64_t> sizes(std::int64_t pictures, std::int64_t at_once) {
  std::vector<std::int64_t> out;
  std::int64_t next = 0;
  each_part(pictures, at_once, [&](std::int64_t from, std::int64_t count) {
    EXPECT_EQ(from, next);
    next += count;
    out.push_back(count);
  });
  EXPECT_EQ(next, pictures);
  return out;
}

TEST(Parts, AreNearlyEqualAndNeverOfOnePicture) {
  EXPECT_EQ(sizes(32, 32), (std::vector<std::int64_t>{32}));
  EXPECT_EQ(sizes(32, 16), (std::vector<std::int64_t>{16, 16}));
  EXPECT_EQ(sizes(32, 11), (std::vector<std::int64_t>{10, 11, 11}));
  EXPECT_EQ(sizes(3, 2), (std::vector<std::int64_t>{3}));
  EXPECT_EQ(sizes(5, 2), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(sizes(1, 8), (std::vector<std::int64_t>{1}));
  EXPECT_TRUE(sizes(0, 8).empty());
}

TEST(PicturesAtOnce, AreHalvedUntilTheyFit) {
  const auto needed = [](std::int64_t pictures) { return 10 + 5 * pictures; };
  EXPECT_EQ(pictures_at_once(64, 1000, needed), 64);
  EXPECT_EQ(pictures_at_once(64, 329, needed), 32);
  EXPECT_EQ(pictures_at_once(100, 140, needed), 25);
  EXPECT_EQ(pictures_at_once(64, 20, needed), 2);
  EXPECT_EQ(pictures_at_once(64, 19, needed), 0);
  EXPECT_EQ(pictures_at_once(1, 15, needed), 1);
  EXPECT_EQ(pictures_at_once(1, 14, needed), 0);
}

TEST(ClassWeights, AreThoseOfTheLabelsShares) {
  LabelCounts counts(4);
  counts.add(2, std::vector<float>{1, 0, 1, 1, 0, 0, 1, 0});
  counts.add(2, std::vector<float>{0, 0, 1, 0, 0, 0, 1, 0});
  const ClassWeights weights = counts.weights();
  EXPECT_EQ(weights.positive, (std::vector<float>{2, 1, 1, 2}));  // 4 / (2 * 1); none; all; 1
  EXPECT_EQ(weights.negative, (std::vector<float>{4.0F / 6, 1, 1, 4.0F / 6}));
  LabelCounts rare(1);
  std::vector<float> labels(1000);
  labels[0] = 1;
  rare.add(1000, labels);
  EXPECT_EQ(rare.weights().positive, (std::vector<float>{100})) << "at most 100";
}

TEST(EarlyStopping, CountsEpochsWithoutARelativeImprovement) {
  Hyperparameters hp;
  hp.early_stopping = true, hp.early_stopping_min_epochs = 2, hp.early_stopping_patience = 2;
  hp.early_stopping_tolerance = 0.1;
  EarlyStopping stopping(hp);
  EXPECT_FALSE(stopping.add(1, 0));
  EXPECT_FALSE(stopping.add(2, 0));    // equal to a best of 0 is no improvement
  EXPECT_FALSE(stopping.add(3, 0.5));  // any positive value is
  EXPECT_FALSE(stopping.add(4, 0.54));
  EXPECT_TRUE(stopping.add(5, 0.54));
  hp.early_stopping_tolerance = 0;
  EarlyStopping exact(hp);
  EXPECT_FALSE(exact.add(1, 0.5));
  EXPECT_FALSE(exact.add(2, 0.5));
  EXPECT_TRUE(exact.add(3, 0.5));
  hp.early_stopping = false;
  EarlyStopping never(hp);
  for (int epoch = 1; epoch < 50; ++epoch) EXPECT_FALSE(never.add(epoch, 0.5));
}

TEST(EarlyStopping, WaitsForTheLeastNumberOfEpochs) {
  Hyperparameters hp;
  hp.early_stopping = true, hp.early_stopping_min_epochs = 5, hp.early_stopping_patience = 1;
  EarlyStopping stopping(hp);
  for (int epoch = 1; epoch <= 5; ++epoch) EXPECT_FALSE(stopping.add(epoch, 0.5)) << epoch;
  EXPECT_TRUE(stopping.add(6, 0.5));
}

}  // namespace
}  // namespace clary::image_classification
