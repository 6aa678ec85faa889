// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/split_mix.h"
#include "learning/numeric/philox.h"

namespace clary::numeric {
namespace {

using testing::ElementsAre;

TEST(Philox, GivesThePublishedKnownAnswers) {
  // Random123's kat_vectors, philox4x32 with 10 rounds.
  EXPECT_THAT(philox(0, 0, 0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(philox(~0ULL, ~0ULL, ~0ULL), ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Philox, DrawsUniformlyBelowABound) {
  PhiloxStream random(5, 6);
  std::vector<int> counts(10);
  for (int i = 0; i < 100'000; ++i) ++counts[random.below(10)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 400);
}

TEST(SplitMix64, GivesTheNumbersOfThePublishedGenerator) {
  SplitMix64 random(1234567);  // Vigna's splitmix64.c
  EXPECT_EQ(random.next(), 6457827717110365317U);
  EXPECT_EQ(random.next(), 3203168211198807973U);
  EXPECT_EQ(random.next(), 9817491932198370423U);
}

TEST(SplitMix64, StreamsDifferAndDrawsAreUniform) {
  SplitMix64 first(1, 0), second(1, 1);
  EXPECT_NE(first.next(), second.next());
  std::vector<int> counts(10);
  for (int i = 0; i < 100'000; ++i) ++counts[first.below(10)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 400);
}

}  // namespace
}  // namespace clary::numeric
