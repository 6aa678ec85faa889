// SPDX-License-Identifier: Apache-2.0
#include "learning/numeric/team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "learning/numeric/index.h"

namespace clary::numeric {
namespace {

TEST(Team, RunsOnEveryThreadOnceAndRethrowsTheFirstError) {
  Team team(3);
  EXPECT_THROW(team.run([](int t) {
    if (t == 1) throw std::runtime_error("x");
  }),
               std::runtime_error);
  std::vector<int> seen(3);
  for (int i = 0; i < 1000; ++i) team.run([&](int t) { ++seen[at(t)]; });
  EXPECT_EQ(seen, (std::vector<int>{1000, 1000, 1000}));
}

class SharedTeam : public testing::TestWithParam<int> {};

TEST_P(SharedTeam, RunsEachUnitOnce) {
  Team team(GetParam(), Team::Shared());
  for (std::int64_t round = 0; round < 300; ++round) {
    std::vector<std::atomic<int>> counts(at(round));
    team.run_units(round, [&](std::int64_t i) { ++counts[at(i)]; });
    for (const auto& count : counts) ASSERT_EQ(count, 1);
  }
}

TEST_P(SharedTeam, ServesManyCallersAtOnce) {
  Team team(GetParam(), Team::Shared());
  std::atomic<std::int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 5; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) team.run_units(20, [&](std::int64_t i) { sum += i; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 5 * 200 * 190);
}

TEST_P(SharedTeam, RunsAllUnitsAndRethrowsTheFirstError) {
  Team team(GetParam(), Team::Shared());
  std::atomic<int> ran{0};
  EXPECT_THROW(team.run_units(8,
                              [&](std::int64_t i) {
                                ++ran;
                                if (i == 3) throw std::runtime_error("x");
                              }),
               std::runtime_error);
  EXPECT_EQ(ran, 8);
  team.run_units(5, [&](std::int64_t) { ++ran; });
  EXPECT_EQ(ran, 13);
}

TEST_P(SharedTeam, TakesBothKindsOfCallsInTurn) {
  Team team(GetParam(), Team::Shared());
  std::atomic<std::int64_t> units{0}, threads{0};
  for (int round = 0; round < 500; ++round) {
    team.run_units(3, [&](std::int64_t) { ++units; });
    team.run([&](int) { ++threads; });
  }
  EXPECT_EQ(units, 500 * 3);
  EXPECT_EQ(threads, 500 * team.size());
}

TEST_P(SharedTeam, AUnitMayCallTheTeam) {
  Team team(GetParam(), Team::Shared());
  std::atomic<int> ran{0};
  team.run_units(4, [&](std::int64_t) { team.run_units(4, [&](std::int64_t) { ++ran; }); });
  EXPECT_EQ(ran, 16);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SharedTeam, testing::Values(1, 2, 4, 9));

TEST(Share, CutsAtMultiplesOfTheUnit) {
  EXPECT_EQ(share(10, 0, 3), (std::pair<std::int64_t, std::int64_t>{0, 3}));
  EXPECT_EQ(share(10, 2, 3), (std::pair<std::int64_t, std::int64_t>{6, 10}));
  EXPECT_EQ(share(100, 1, 2, 16), (std::pair<std::int64_t, std::int64_t>{48, 100}));
  EXPECT_EQ(share(5, 3, 4, 16), (std::pair<std::int64_t, std::int64_t>{0, 5}));
}

}  // namespace
}  // namespace clary::numeric
