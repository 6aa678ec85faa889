// SPDX-License-Identifier: Apache-2.0
#include "learning/optim/early_stopping.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "learning/optim/schedule.h"

namespace clary::optim {
namespace {

using Better = EarlyStopping::Better;

TEST(EarlyStopping, StopsAfterPatienceJudgementsWithoutAStrictlyBetterOne) {
  EarlyStopping lower(2, Better::kLower);
  EXPECT_TRUE(lower.add(1.0));
  EXPECT_FALSE(lower.add(1.0));  // equal is not better
  EXPECT_FALSE(lower.stops());
  EXPECT_FALSE(lower.add(1.5));
  EXPECT_TRUE(lower.stops());
  EXPECT_EQ(lower.best(), 1.0);
  EarlyStopping higher(2);
  EXPECT_TRUE(higher.add(.5));
  EXPECT_FALSE(higher.add(.4));
  EXPECT_TRUE(higher.add(.6));
  EXPECT_EQ(higher.idle(), 0);
  EXPECT_FALSE(higher.add(std::nan("")));
  EXPECT_FALSE(higher.stops());
  EXPECT_FALSE(higher.add(.1));
  EXPECT_TRUE(higher.stops());
  EXPECT_EQ(higher.best(), .6);
}

TEST(EarlyStopping, WantsAnImprovementRelativeToTheBest) {
  EarlyStopping stopping(2, Better::kHigher, 0.01);
  EXPECT_TRUE(stopping.add(0.80));
  EXPECT_FALSE(stopping.add(0.805));
  EXPECT_TRUE(stopping.add(0.81));
  EarlyStopping losses(1, Better::kHigher, 0.01);
  EXPECT_TRUE(losses.add(-2.0));
  EXPECT_FALSE(losses.add(-1.99));
  EXPECT_TRUE(losses.add(-1.9));
  EarlyStopping none(1, Better::kHigher, 0.0);
  EXPECT_TRUE(none.add(1) && none.add(1)) << "a tolerance of 0 asks for no gain";
}

TEST(EarlyStopping, ANumberBeatsWhatIsNoneAndInfinity) {
  EarlyStopping stopping(9);
  EXPECT_FALSE(stopping.add(std::nan("")));
  EXPECT_EQ(stopping.best(), std::nullopt);
  EXPECT_TRUE(stopping.add(-std::numeric_limits<double>::infinity()));
  EXPECT_TRUE(stopping.add(-5));
}

TEST(EarlyStopping, GoesOnWhereAnotherWas) {
  EarlyStopping stopping(3, Better::kLower);
  stopping.restore(.5, 1);
  EXPECT_FALSE(stopping.add(.6));
  EXPECT_FALSE(stopping.stops());
  EXPECT_FALSE(stopping.add(.6));
  EXPECT_TRUE(stopping.stops());
}

TEST(StepSchedule, CutsEveryStepUpdatesDownToTheMinimum) {
  const StepSchedule schedule{10, 0.5, 0.2};
  double rate = 1;
  for (int t = 1; t <= 10; ++t) EXPECT_EQ(rate = schedule.next(rate, t), 1.0) << t;
  EXPECT_EQ(rate = schedule.next(rate, 11), 0.5);
  EXPECT_EQ(rate = schedule.next(rate, 12), 0.5);
  for (int t = 13; t <= 100; ++t) rate = schedule.next(rate, t);
  EXPECT_EQ(rate, 0.2);
  EXPECT_EQ(schedule.next(0.1, 21), 0.1) << "a rate that began below the minimum stays";
}

TEST(LinearRate, FallsToTheFloor) {
  EXPECT_EQ(linear_rate(0.5, 0, 0), 0.5);
  EXPECT_EQ(linear_rate(0.5, 0, 0.5), 0.25);
  EXPECT_EQ(linear_rate(0.5, 0, 2), 0);
  EXPECT_EQ(linear_rate(0.5, 1e-4, 1), 0.5 * 1e-4);
}

TEST(SteppedRate, FallsAtTheListedEpochs) {
  const std::int64_t steps[] = {20, 10};
  EXPECT_EQ(stepped_rate(0.5, 0.1, steps, 9), 0.5);
  EXPECT_EQ(stepped_rate(0.5, 0.1, steps, 10), 0.5 * 0.1);
  EXPECT_EQ(stepped_rate(0.5, 0.1, steps, 20), 0.5 * 0.1 * 0.1);
  EXPECT_EQ(stepped_rate(0.5, 0.1, {}, 20), 0.5);
}

}  // namespace
}  // namespace clary::optim
