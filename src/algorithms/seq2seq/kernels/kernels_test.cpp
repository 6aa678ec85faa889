// SPDX-License-Identifier: Apache-2.0
// Activations and softmax beside plain loops in float64, at widths that leave tails.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "algorithms/seq2seq/kernels/activation.h"
#include "algorithms/seq2seq/kernels/softmax.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq::kernels {
namespace {

using numeric::at;

std::vector<float> normal(std::int64_t n, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, scale);
  std::vector<float> out(at(n));
  for (float& x : out) x = draw(random);
  return out;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double value_of(ConvActivation kind, double x) {
  switch (kind) {
    case ConvActivation::kRelu:
      return std::max(x, 0.0);
    case ConvActivation::kSoftRelu:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    case ConvActivation::kSigmoid:
      return sigmoid(x);
    case ConvActivation::kTanh:
      return std::tanh(x);
    case ConvActivation::kGlu:
      break;
  }
  return 0;
}

class Activations : public ::testing::TestWithParam<ConvActivation> {};

TEST_P(Activations, ValueAndGradientAreThoseOfTheFormula) {
  const ConvActivation kind = GetParam();
  const bool glu = kind == ConvActivation::kGlu;
  for (const std::int64_t units : {1, 5, 16, 37}) {
    const std::int64_t rows = 3, maps = glu ? 2 * units : units;
    const auto bias = normal(maps, 1), sums = normal(rows * maps, 2, 3), dz = normal(rows * units, 3);
    auto kept = sums;
    std::vector<float> z(at(rows * units));
    activate(kind, rows, units, bias.data(), kept.data(), z.data());
    activate_backward(kind, rows, units, dz.data(), kept.data());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t u = 0; u < units; ++u) {
        const auto sum = [&](std::int64_t map) { return double{sums[at(r * maps + map)]} + double{bias[at(map)]}; };
        const double x = sum(u), g = dz[at(r * units + u)], h = 1e-6;
        const double y = glu ? x * sigmoid(sum(units + u)) : value_of(kind, x);
        const double slope = glu ? sigmoid(sum(units + u)) : (value_of(kind, x + h) - value_of(kind, x - h)) / (2 * h);
        ASSERT_NEAR(z[at(r * units + u)], y, 1e-6 * (1 + std::abs(y)));
        ASSERT_NEAR(kept[at(r * maps + u)], g * slope, 2e-6 * (1 + std::abs(g)));
        if (!glu) continue;
        const double gate = sigmoid(sum(units + u));
        ASSERT_NEAR(kept[at(r * maps + units + u)], g * x * gate * (1 - gate), 1e-5);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Seq2Seq, Activations,
                         ::testing::Values(ConvActivation::kGlu, ConvActivation::kRelu, ConvActivation::kSoftRelu,
                                           ConvActivation::kSigmoid, ConvActivation::kTanh));

TEST(Seq2SeqActivations, LargeNumbersStayFinite) {
  std::vector<float> sums{-200, 200}, z(2);
  const std::vector<float> bias(2, 0.0F);
  activate(ConvActivation::kSoftRelu, 1, 2, bias.data(), sums.data(), z.data());
  EXPECT_EQ(z[1], 200);
  EXPECT_NEAR(z[0], 0, 1e-30);
  EXPECT_NEAR(sums[1], 1, 1e-6);
}

TEST(Seq2SeqSoftmax, RowsAndGradientAreThoseOfTheFormula) {
  for (const std::int64_t width : {1, 3, 16, 29}) {
    const std::int64_t rows = 4, stride = 31;
    const auto scores = normal(rows * stride, 4, 20), delta = normal(rows * stride, 5);
    auto alpha = scores, gradient = delta;
    softmax_rows(rows, width, alpha.data(), stride);
    softmax_rows_backward(rows, width, alpha.data(), gradient.data(), stride);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto index = [&](std::int64_t i) { return at(r * stride + i); };
      double most = -1e30, sum = 0, mean = 0;
      for (std::int64_t i = 0; i < width; ++i) most = std::max(most, double{scores[index(i)]});
      for (std::int64_t i = 0; i < width; ++i) sum += std::exp(scores[index(i)] - most);
      const auto p = [&](std::int64_t i) { return std::exp(scores[index(i)] - most) / sum; };
      for (std::int64_t i = 0; i < width; ++i) mean += p(i) * delta[index(i)];
      for (std::int64_t i = 0; i < stride; ++i) {
        ASSERT_NEAR(alpha[index(i)], i < width ? p(i) : scores[index(i)], 1e-6);
        ASSERT_NEAR(gradient[index(i)], i < width ? p(i) * (delta[index(i)] - mean) : delta[index(i)], 2e-6);
      }
    }
  }
}

}  // namespace
}  // namespace clary::seq2seq::kernels
