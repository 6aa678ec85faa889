// SPDX-License-Identifier: Apache-2.0
#include "algorithms/knn/data/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace clary::knn {
namespace {

using ::testing::ElementsAre;

formats::Batch numbered(std::int64_t first, std::int64_t rows) {
  formats::Batch out;
  out.width = 2;
  out.rows = rows;
  out.label_width = 1;
  for (std::int64_t r = first; r < first + rows; ++r) {
    out.values.insert(out.values.end(), {static_cast<float>(r), static_cast<float>(-r)});
    out.labels.push_back(static_cast<float>(r % 7));
  }
  return out;
}

TEST(Reservoir, KeepsInputOrderWhileThereIsRoom) {
  for (const std::int64_t capacity : {std::int64_t{20}, std::int64_t{500}, Reservoir::kUnlimited}) {
    Reservoir reservoir(capacity, 1, 0);
    reservoir.add(numbered(0, 13));
    reservoir.add(numbered(13, 7));
    const Sample& sample = reservoir.sample();
    ASSERT_EQ(sample.rows(), 20);
    for (std::int64_t r = 0; r < 20; ++r) {
      EXPECT_EQ(sample.vectors.row(r)[0], static_cast<float>(r));
      EXPECT_EQ(sample.positions[static_cast<std::size_t>(r)], r);
    }
  }
}

TEST(Reservoir, GivesEveryRowTheSameChance) {
  constexpr std::int64_t kRows = 50, kCapacity = 10;
  std::vector<int> counts(kRows);
  constexpr int kSeeds = 4000;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Reservoir reservoir(kCapacity, seed, 0);
    for (std::int64_t first = 0; first < kRows; first += 5) reservoir.add(numbered(first, 5));
    ASSERT_EQ(reservoir.sample().rows(), kCapacity);
    for (std::int64_t i = 0; i < kCapacity; ++i) {
      const auto position = reservoir.sample().positions[static_cast<std::size_t>(i)];
      ++counts[static_cast<std::size_t>(position)];
      ASSERT_EQ(reservoir.sample().vectors.row(i)[1], static_cast<float>(-position));
      ASSERT_EQ(reservoir.sample().labels[static_cast<std::size_t>(i)], static_cast<float>(position % 7));
    }
  }
  for (const int count : counts) EXPECT_NEAR(count, kSeeds * kCapacity / kRows, 150);  // 5 sigma is 127
}

TEST(Reservoir, SameSeedSameSample) {
  const auto draw = [](std::uint64_t seed, int rank) {
    Reservoir reservoir(5, seed, rank);
    reservoir.add(numbered(0, 100));
    return reservoir.sample().positions;
  };
  EXPECT_EQ(draw(1, 0), draw(1, 0));
  EXPECT_NE(draw(1, 0), draw(2, 0));
  EXPECT_NE(draw(1, 0), draw(1, 1));
}

TEST(Sample, SharesAddUpToTheWhole) {
  EXPECT_EQ(share_of_sample(100, 2, 0), 50);
  EXPECT_EQ(share_of_sample(101, 3, 0) + share_of_sample(101, 3, 1) + share_of_sample(101, 3, 2), 101);
  EXPECT_EQ(share_of_sample(0, 2, 1), Reservoir::kUnlimited);
}

TEST(Sample, SurvivesTheWireAndJoinsInRankOrder) {
  Reservoir first(Reservoir::kUnlimited, 1, 0), second(Reservoir::kUnlimited, 1, 1);
  first.add(numbered(0, 3));
  auto named = numbered(3, 2);
  named.uids = {"a\nb", ""};
  second.add(named);
  Sample all;
  for (const Sample* one : {&first.sample(), &second.sample()}) append(all, sample_from_bytes(to_bytes(*one)));
  EXPECT_EQ(all.rows(), 5);
  EXPECT_EQ(all.seen, 5);
  EXPECT_THAT(all.positions, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(all.uids, ElementsAre("", "", "", "a\nb", ""));
  EXPECT_EQ(all.vectors.row(4)[0], 4);
}

TEST(Sample, RefusesBytesCutAnywhere) {
  Reservoir reservoir(10, 1, 0);
  auto batch = numbered(0, 3);
  batch.uids = {"x", "yy", "zzz"};
  reservoir.add(batch);
  const std::string bytes = to_bytes(reservoir.sample());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_THROW(sample_from_bytes(bytes.substr(0, cut)), Error) << cut;
  }
}

}  // namespace
}  // namespace clary::knn
