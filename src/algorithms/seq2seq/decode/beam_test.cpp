// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/decode/beam.h"

#include <gtest/gtest.h>

#include <vector>

#include "algorithms/seq2seq/data/pairs.h"

namespace clary::seq2seq {
namespace {

using Ids = std::vector<std::int32_t>;

std::vector<std::int32_t> words(const Beam& beam) {
  std::vector<std::int32_t> out;
  for (const Beam::Open& open : beam.open()) out.push_back(open.word);
  return out;
}

TEST(Beam, StartsWithOneEmptyHypothesis) {
  const Beam beam(2, 5, 0);
  ASSERT_EQ(beam.open().size(), 1U);
  EXPECT_EQ(beam.open()[0].word, kBegin);
  EXPECT_FALSE(beam.done());
}

TEST(Beam, ScoresAreMeansOverTheLength) {
  Beam beam(2, 5, 0);
  beam.advance(std::vector<WordCost>{{1.0, 4}, {1.5, kEnd}}, 2);
  EXPECT_EQ(words(beam), (Ids{4}));
  // (1 + .8) / 2 is better than the finished 1.5, (1 + 2.2) / 2 is worse.
  beam.advance(std::vector<WordCost>{{0.8, 5}, {2.2, 6}}, 2);
  const auto results = beam.results(2);
  EXPECT_EQ(results[0].ids, (Ids{4, 5}));
  EXPECT_DOUBLE_EQ(results[0].score(), 0.9);
  EXPECT_TRUE(results[1].ids.empty());
  EXPECT_DOUBLE_EQ(results[1].score(), 1.5);
}

TEST(Beam, TiesGoToTheLowerHypothesisThenTheLowerWord) {
  Beam beam(3, 5, 0);
  beam.advance(std::vector<WordCost>{{1.0, 7}, {1.0, 9}, {1.0, 4}}, 3);
  EXPECT_EQ(words(beam), (Ids{4, 7, 9}));
  beam.advance(std::vector<WordCost>{{2, 8}, {2, 9}, {3, 4}, {2, 4}, {3, 5}, {3, 6}, {2, 4}, {3, 5}, {3, 6}}, 3);
  EXPECT_EQ(words(beam), (Ids{8, 9, 4}));
  EXPECT_EQ(beam.open()[2].parent, 1);
}

TEST(Beam, EndsWhenAllAreFinished) {
  Beam beam(2, 9, 0);
  beam.advance(std::vector<WordCost>{{1, kEnd}, {2, 5}}, 2);
  EXPECT_FALSE(beam.done());
  beam.advance(std::vector<WordCost>{{0.5, kEnd}, {9, 5}}, 2);
  EXPECT_TRUE(beam.done());
  EXPECT_EQ(beam.results(2)[1].ids, (Ids{5}));
  EXPECT_EQ(beam.results(2)[1].length, 2);
  EXPECT_EQ(beam.results(1).size(), 1U);
}

TEST(Beam, EndsAtTheLengthLimitWithOpenHypotheses) {
  Beam beam(1, 2, 0);
  beam.advance(std::vector<WordCost>{{1, 4}}, 1);
  EXPECT_FALSE(beam.done());
  beam.advance(std::vector<WordCost>{{1, 5}}, 1);
  EXPECT_TRUE(beam.done());
  EXPECT_EQ(beam.results(1)[0].ids, (Ids{4, 5}));
}

TEST(Beam, AttentionRowsFollowTheirHypotheses) {
  Beam beam(2, 9, 1);
  const float first = 0.5F, second = 0.25F, third = 0.75F;
  beam.add_attention(&first);
  beam.advance(std::vector<WordCost>{{1, 4}, {2, 5}}, 2);
  beam.add_attention(&second);
  beam.add_attention(&third);
  beam.advance(std::vector<WordCost>{{9, 6}, {9, 7}, {0.5, kEnd}, {0.6, 8}}, 2);  // both of the second hypothesis
  const auto results = beam.results(2);
  EXPECT_EQ(results[0].ids, (Ids{5}));
  EXPECT_EQ(results[0].attention, (std::vector<float>{0.5F}));  // without the row of the end
  EXPECT_EQ(results[1].ids, (Ids{5, 8}));
  EXPECT_EQ(results[1].attention, (std::vector<float>{0.5F, 0.75F}));
}

}  // namespace
}  // namespace clary::seq2seq
