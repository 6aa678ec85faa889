// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/kernels/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace clary::seq2seq::kernels {
namespace {

/// Widths on both sides of a register, whatever the instruction set.
constexpr int kWidths[] = {1, 3, 16, 37, 131};

std::vector<float> wave(int n, float span) {
  std::vector<float> out(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) out[static_cast<std::size_t>(i)] = span * std::sin(static_cast<float>(7 * i + 1));
  return out;
}

TEST(CrossEntropy, LossAndGradientEqualTheDefinition) {
  for (const int words : kWidths) {
    const auto x = wave(words, 3), bias = wave(words, 0.5F);
    const auto label = static_cast<std::size_t>(words / 2);
    double sum = 0, largest = -1e9;
    const auto logit = [&](std::size_t i) { return static_cast<double>(x[i]) + static_cast<double>(bias[i]); };
    for (std::size_t i = 0; i < x.size(); ++i) sum += std::exp(logit(i)), largest = std::max(largest, logit(i));
    std::vector<float> gradient = x, untouched = x;
    const LabelScore score =
        cross_entropy(words, bias.data(), static_cast<std::int32_t>(label), 0.25F, gradient.data());
    EXPECT_NEAR(score.nats, std::log(sum) - logit(label), 1e-5) << words;
    EXPECT_EQ(score.is_largest, logit(label) == largest) << words;
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(gradient[i], 0.25 * (std::exp(logit(i)) / sum - (i == label ? 1 : 0)), 1e-6) << words << " " << i;
    const LabelScore same = cross_entropy(words, bias.data(), static_cast<std::int32_t>(label), 0, untouched.data());
    EXPECT_EQ(same.nats, score.nats);
    EXPECT_EQ(untouched, x) << "without a gradient nothing is written";
  }
}

TEST(CrossEntropy, ProbabilityIsCountedAsOneInTenBillionAtLeastButTheGradientIsNot) {
  std::vector<float> x(20, 0.0F), bias(20, 0.0F);
  x[4] = 60;
  const LabelScore score = cross_entropy(20, bias.data(), 7, 1, x.data());
  EXPECT_FLOAT_EQ(score.nats, static_cast<float>(-std::log(1e-10)));
  EXPECT_FLOAT_EQ(x[7], -1);
  EXPECT_FLOAT_EQ(x[4], 1);
}

TEST(CrossEntropy, OfEqualLogitsTheSmallestIdIsTheAnswer) {
  const std::vector<float> bias(20, 0.0F);
  std::vector<float> x(20, 1.0F);
  EXPECT_TRUE(cross_entropy(20, bias.data(), 0, 0, x.data()).is_largest);
  EXPECT_FALSE(cross_entropy(20, bias.data(), 1, 0, x.data()).is_largest);
  EXPECT_FALSE(cross_entropy(20, bias.data(), 19, 0, x.data()).is_largest);
}

TEST(Rows, SumsAndHyperbolicTangentsOfAnyWidth) {
  for (const int width : kWidths) {
    const int rows = 3, stride = width + 2;
    const auto from = wave(rows * stride, 1), start = wave(width, 2);
    std::vector<float> sums = start, y = start;
    add_column_sums(rows, width, from.data(), stride, sums.data());
    tanh_bias(width, from.data(), y.data());
    std::vector<float> gradient(y.size(), 2.0F);
    tanh_backward(width, y.data(), gradient.data());
    for (int i = 0; i < width; ++i) {
      const auto at = static_cast<std::size_t>(i);
      double sum = static_cast<double>(start[at]);
      for (int r = 0; r < rows; ++r) sum += static_cast<double>(from[static_cast<std::size_t>(r * stride + i)]);
      EXPECT_NEAR(sums[at], sum, 1e-6);
      const double t = std::tanh(static_cast<double>(start[at]) + static_cast<double>(from[at]));
      EXPECT_NEAR(y[at], t, 1e-6);
      EXPECT_NEAR(gradient[at], 2 * (1 - t * t), 3e-6);
    }
  }
}

}  // namespace
}  // namespace clary::seq2seq::kernels
