// SPDX-License-Identifier: Apache-2.0
#include "learning/optim/schedule.h"

#include <gtest/gtest.h>

namespace clary::optim {
namespace {

TEST(Schedule, FixedRatesHaveHalvedAfterTheirHalfLife) {
  EXPECT_DOUBLE_EQ(inverse_rate(0.4, 1000, 0), 0.4);
  EXPECT_DOUBLE_EQ(inverse_rate(0.4, 1000, 1000), 0.2);
  EXPECT_DOUBLE_EQ(inverse_rate(0.4, 1000, 3000), 0.1);
  EXPECT_DOUBLE_EQ(inverse_square_root_rate(0.4, 1000, 0), 0.4);
  EXPECT_DOUBLE_EQ(inverse_square_root_rate(0.4, 1000, 1000), 0.2);
  EXPECT_DOUBLE_EQ(inverse_square_root_rate(0.4, 1000, 5000), 0.1);
}

TEST(Schedule, PlateauLowersTheRateAfterJudgementsWithoutImprovement) {
  PlateauSchedule plateau(2, 0.5);
  EXPECT_EQ(plateau.next(0.8, true), 0.8);
  EXPECT_EQ(plateau.next(0.8, false), 0.8);
  EXPECT_EQ(plateau.next(0.8, false), 0.4);
  EXPECT_EQ(plateau.idle(), 0) << "it counts anew after it has lowered the rate";
  EXPECT_EQ(plateau.next(0.4, false), 0.4);
  EXPECT_EQ(plateau.next(0.4, true), 0.4) << "an improvement sets the count to 0";
  EXPECT_EQ(plateau.next(0.4, false), 0.4);
  PlateauSchedule resumed(2, 0.5);
  resumed.restore(plateau.idle());
  EXPECT_EQ(resumed.next(0.4, false), 0.2);
}

}  // namespace
}  // namespace clary::optim
