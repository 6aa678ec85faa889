// SPDX-License-Identifier: Apache-2.0
// The published formulas: slopes beside central differences, and what follows from the formulas.
#include "algorithms/linear_learner/train/loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace clary::linear_learner {
namespace {

using kernels::LossRule;

TEST(LinearLearnerLoss, SlopesMatchCentralDifferences) {
  const LossRule rules[] = {{Loss::kLogistic, 0},
                            {Loss::kHinge, 1.5f},
                            {Loss::kSquared, 0},
                            {Loss::kAbsolute, 0},
                            {Loss::kQuantile, 0.8f},
                            {Loss::kHuber, 0.7f},
                            {Loss::kEpsInsensitiveSquared, 0.5f},
                            {Loss::kEpsInsensitiveAbsolute, 0.5f}};
  for (const LossRule& rule : rules) {
    for (const double y : {0.0, 1.0}) {
      for (double f = -4.013; f < 4; f += 0.171) {  // never on a kink
        const double h = 1e-6;
        const double difference = (row_loss(rule, f + h, y, 3).loss - row_loss(rule, f - h, y, 3).loss) / (2 * h);
        EXPECT_NEAR(row_loss(rule, f, y, 3).slope, difference, 1e-5) << name_of(rule.loss) << " f " << f << " y " << y;
      }
    }
  }
}

TEST(LinearLearnerLoss, SoftmaxSlopesMatchCentralDifferences) {
  std::vector<double> f{0.3, -2, 1.5, 0}, slopes(4);
  for (std::int64_t label = 0; label < 4; ++label) {
    softmax_loss(f, label, slopes);
    for (std::size_t k = 0; k < f.size(); ++k) {
      const double h = 1e-6, before = f[k];
      f[k] = before + h;
      const double above = softmax_loss(f, label);
      f[k] = before - h;
      EXPECT_NEAR(slopes[k], (above - softmax_loss(f, label)) / (2 * h), 1e-8);
      f[k] = before;
    }
  }
}

TEST(LinearLearnerLoss, SquaredLossHasNoHalf) { EXPECT_EQ(row_loss({Loss::kSquared, 0}, 5, 2).loss, 9); }

TEST(LinearLearnerLoss, HingeWithMarginOneIsZeroBeyondOneAndBelowZero) {
  const LossRule hinge{Loss::kHinge, 1};
  EXPECT_EQ(row_loss(hinge, 1, 1).loss, 0);
  EXPECT_EQ(row_loss(hinge, 0, 0).loss, 0);
  EXPECT_DOUBLE_EQ(row_loss(hinge, 0.5, 1).loss, row_loss(hinge, 0.5, 0).loss) << "the natural cut is 0.5";
}

TEST(LinearLearnerLoss, QuantileLossIsLeastAtTheQuantile) {
  const LossRule rule{Loss::kQuantile, 0.9f};
  const auto total = [&](double f) {
    double sum = 0;
    for (int y = 0; y < 1000; ++y) sum += row_loss(rule, f, y).loss;
    return sum;
  };
  double best = 0;
  for (double f = 0; f < 1000; f += 1) best = total(f) < total(best) ? f : best;
  EXPECT_NEAR(best, 900, 2) << "P(y < f) is the quantile";
}

TEST(LinearLearnerLoss, PositiveWeightMultipliesRowsOfLabelOneOnly) {
  for (const LossRule& rule : {LossRule{Loss::kLogistic, 0}, LossRule{Loss::kHinge, 1}}) {
    EXPECT_DOUBLE_EQ(row_loss(rule, 0.2, 1, 4).loss, 4 * row_loss(rule, 0.2, 1).loss);
    EXPECT_DOUBLE_EQ(row_loss(rule, 0.2, 0, 4).loss, row_loss(rule, 0.2, 0).loss);
  }
}

}  // namespace
}  // namespace clary::linear_learner
