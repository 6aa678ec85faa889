// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/train/early_stopping.h"

#include <gtest/gtest.h>

#include <limits>

namespace clary::ntm {
namespace {

/// Losses fed in, bad counts that must come out; P = 2, T = 0.01.
TEST(NtmEarlyStopping, ReplaysTheRuleByHand) {
  EarlyStopping e(2, 0.01);
  struct Row {
    double loss;
    bool compared, bad;
    std::int64_t count;
    bool stop;
  };
  const Row rows[] = {
      {7.00, false, false, 0, false},                                 // fewer than P losses before: nothing is compared
      {6.50, false, false, 0, false}, {6.495, true, true, 1, false},  // 6.50 - 6.495 < 0.01
      {6.484, true, false, 0, false},                                 // 6.495 - 6.484 = 0.011: the count starts again
      {6.4745, true, true, 1, false},                                 // 0.0095
      {6.60, true, true, 2, false},                                   // worse; count equals P: not yet
      {6.465, true, true, 3, true},                                   // 0.0095 below 6.4745: bad, and 3 exceeds P
  };
  for (const Row& row : rows) {
    const auto v = e.add(row.loss);
    EXPECT_EQ(v.compared, row.compared) << row.loss;
    EXPECT_EQ(v.bad, row.bad) << row.loss;
    EXPECT_EQ(v.bad_count, row.count) << row.loss;
    EXPECT_EQ(v.stop, row.stop) << row.loss;
  }
  EXPECT_EQ(e.best_loss(), 6.465);
  EXPECT_EQ(e.best_epoch(), 7);
}

/// The end of the log in ntm.md section 6: best loss at epoch 67 of 73, patience 5: six bad epochs in a row end it.
TEST(NtmEarlyStopping, StopsAfterPatiencePlusOneBadEpochsAsInAwssLog) {
  EarlyStopping e(5, 0.001);
  int epoch = 0;
  for (; epoch < 66; ++epoch) EXPECT_FALSE(e.add(7.2 - 0.008 * epoch).stop);
  EXPECT_FALSE(e.add(6.656591074807303).stop);  // epoch 67
  for (epoch = 68; epoch < 73; ++epoch) {
    const auto v = e.add(6.6580 + 0.0001 * (epoch - 60));
    EXPECT_EQ(v.bad_count, epoch - 67);
    EXPECT_FALSE(v.stop);
  }
  const auto last = e.add(6.664144515991211);
  EXPECT_EQ(last.previous.size(), 5u);
  EXPECT_TRUE(last.stop);
  EXPECT_EQ(e.best_epoch(), 67);
  EXPECT_EQ(e.best_loss(), 6.656591074807303);
}

TEST(NtmEarlyStopping, WindowSlidesSoThatAnOldMinimumIsForgotten) {
  EarlyStopping e(2, 0.01);
  for (const double loss : {5.0, 9.0, 8.9}) e.add(loss);
  EXPECT_FALSE(e.add(8.8).bad);  // compared with min(9.0, 8.9), not with 5.0
  EXPECT_EQ(e.best_epoch(), 1);
}

TEST(NtmEarlyStopping, NotANumberIsBadAndNeverBest) {
  EarlyStopping e(1, 0.01);
  e.add(3);
  EXPECT_TRUE(e.add(std::numeric_limits<double>::quiet_NaN()).bad);
  EXPECT_EQ(e.best_epoch(), 1);
}

TEST(NtmEarlyStopping, WarmUpEpochsNeverCount) {
  EarlyStopping plain(1, 0.01), warm(1, 0.01, 4);
  bool plain_stopped = false, warm_stopped = false;
  for (int i = 0; i < 4; ++i) {
    plain_stopped |= plain.add(7).stop;
    warm_stopped |= warm.add(7).stop;
  }
  EXPECT_TRUE(plain_stopped);
  EXPECT_FALSE(warm_stopped);
  EXPECT_FALSE(warm.add(7).stop);
  EXPECT_TRUE(warm.add(7).stop);
}

TEST(NtmEarlyStopping, RestoreGivesTheSameState) {
  EarlyStopping a(3, 0.001), b(3, 0.001);
  for (const double loss : {7.0, 6.9, 6.95, 6.94, 6.93}) a.add(loss);
  b.restore(a.history());
  EXPECT_EQ(a.bad_count(), b.bad_count());
  EXPECT_EQ(a.best_epoch(), b.best_epoch());
  EXPECT_EQ(a.add(6.92).bad_count, b.add(6.92).bad_count);
}

}  // namespace
}  // namespace clary::ntm
