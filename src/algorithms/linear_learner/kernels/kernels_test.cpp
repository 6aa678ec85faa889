// SPDX-License-Identifier: Apache-2.0
// Every kernel beside the plain loop that says what it computes.
#include "algorithms/linear_learner/kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "algorithms/linear_learner/train/loss.h"
#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

using kernels::kPad;
using kernels::LossRule;
using kernels::padded;

std::vector<float> numbers(std::size_t n, unsigned seed, float low = -3, float high = 3) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> draw(low, high);
  std::vector<float> out(n);
  for (float& x : out) x = draw(random);
  return out;
}

using numeric::at;

/// Within a few float32 roundings of numbers of this size.
void expect_near(double got, double expected, double size, const std::string& what) {
  EXPECT_NEAR(got, expected, 4e-6 * std::max(1.0, size)) << what;
}

const LossRule kRules[] = {{Loss::kLogistic, 0},
                           {Loss::kHinge, 1.5f},
                           {Loss::kSquared, 0},
                           {Loss::kAbsolute, 0},
                           {Loss::kQuantile, 0.8f},
                           {Loss::kHuber, 0.7f},
                           {Loss::kEpsInsensitiveSquared, 0.5f},
                           {Loss::kEpsInsensitiveAbsolute, 0.5f}};

std::vector<float> labels_for(Loss loss, std::int64_t n) {
  std::vector<float> y = numbers(at(n), 7);
  if (loss == Loss::kLogistic || loss == Loss::kHinge) {
    for (float& x : y) x = x > 0 ? 1.0f : 0.0f;
  }
  return y;
}

TEST(LinearLearnerKernels, ScalarLossOfManyLanesIsTheRowLossOfEach) {
  for (const LossRule& rule : kRules) {
    for (const std::int64_t n : {1, 63, 130}) {
      const std::int64_t width = 32;
      std::vector<float> f = numbers(at(n * width), 1, -20, 20);
      const std::vector<float> before = f, y = labels_for(rule.loss, n), bias = numbers(at(width), 2);
      const std::vector<float> positive = numbers(at(width), 3, 0.5f, 4);
      std::vector<double> losses(at(width), 0.5), slopes(at(width), -0.25);
      kernels::scalar_loss(rule, n, width, f.data(), y.data(), bias.data(), positive.data(), losses.data(),
                           slopes.data());
      for (std::int64_t c = 0; c < width; ++c) {
        double loss = 0.5, slope = -0.25, size = 1;
        for (std::int64_t i = 0; i < n; ++i) {
          const auto score = static_cast<double>(before[at(i * width + c)] + bias[at(c)]);
          const LossAndSlope one =
              row_loss(rule, score, static_cast<double>(y[at(i)]), static_cast<double>(positive[at(c)]));
          loss += one.loss, slope += one.slope, size += one.loss + std::abs(one.slope);
          expect_near(f[at(i * width + c)], one.slope, std::abs(one.slope), name_of(rule.loss).data());
        }
        expect_near(losses[at(c)], loss, size, name_of(rule.loss).data());
        expect_near(slopes[at(c)], slope, size, name_of(rule.loss).data());
      }
    }
  }
}

TEST(LinearLearnerKernels, SingleLossIsTheRowLossForEveryNumberOfRows) {
  for (const LossRule& rule : kRules) {
    for (const std::int64_t n : {1, 5, 16, 17, 1500}) {
      std::vector<float> f = numbers(at(n), 4, -20, 20);
      const std::vector<float> before = f, y = labels_for(rule.loss, n);
      double loss_sum = 0, slope_sum = 0, loss = 0, slope = 0, size = 1;
      kernels::single_loss(rule, n, f.data(), y.data(), 0.25f, 3, &loss_sum, &slope_sum);
      for (std::int64_t i = 0; i < n; ++i) {
        const LossAndSlope one =
            row_loss(rule, static_cast<double>(before[at(i)] + 0.25f), static_cast<double>(y[at(i)]), 3);
        loss += one.loss, slope += one.slope, size += one.loss + std::abs(one.slope);
        expect_near(f[at(i)], one.slope, std::abs(one.slope), name_of(rule.loss).data());
      }
      expect_near(loss_sum, loss, size, name_of(rule.loss).data());
      expect_near(slope_sum, slope, size, name_of(rule.loss).data());
    }
  }
}

TEST(LinearLearnerKernels, LogisticLossOfHugeScoresStaysFinite) {
  std::vector<float> f{200, -200, 1e30f, -1e30f};
  const std::vector<float> y{0, 1, 1, 0};
  double loss = 0, slope = 0;
  kernels::single_loss({Loss::kLogistic, 0}, 4, f.data(), y.data(), 0, 1, &loss, &slope);
  EXPECT_NEAR(loss, 400, 1e-3);
  EXPECT_NEAR(f[0], 1, 1e-6);
  EXPECT_NEAR(f[1], -1, 1e-6);
}

TEST(LinearLearnerKernels, RoundedKinksAreCloseToTheExactLossAndHaveItsSlopeOutside) {
  for (LossRule rule : kRules) {
    if (rule.loss != Loss::kHinge && rule.loss != Loss::kAbsolute && rule.loss != Loss::kQuantile &&
        rule.loss != Loss::kEpsInsensitiveAbsolute) {
      continue;
    }
    rule.smoothing = 0.1f;
    for (float score = -3; score < 3; score += 0.037f) {
      const auto value = [&](float x, double* slope) {
        const float label = 1;
        double loss = 0, sum = 0;
        kernels::single_loss(rule, 1, &x, &label, 0, 2, &loss, &sum);
        if (slope != nullptr) *slope = static_cast<double>(x);
        return loss;
      };
      double slope = 0;
      const double loss = value(score, &slope);
      const LossAndSlope exact = row_loss({rule.loss, rule.knob}, static_cast<double>(score), 1, 2);
      EXPECT_LE(loss, exact.loss + 1e-5) << name_of(rule.loss) << score;
      EXPECT_GE(loss, exact.loss - 0.1 - 1e-5) << name_of(rule.loss) << score;
      const double h = 1e-2, difference = (value(score + 0.01f, nullptr) - value(score - 0.01f, nullptr)) / (2 * h);
      EXPECT_NEAR(slope, difference, 0.11) << name_of(rule.loss) << score;  // second derivative is at most 2 / 0.1
    }
  }
}

class Softmax : public ::testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {};

/// f(model, class) and its lane, compared with softmax_loss for both layouts.
TEST_P(Softmax, IsTheRowLossInBothLayouts) {
  const auto [models, classes] = GetParam();
  const std::int64_t n = 70;
  const std::vector<float> class_weight = numbers(at(classes), 9, 0.5f, 3);
  std::vector<float> labels;
  for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<float>(i * 7 % classes));
  for (const bool across : {true, false}) {
    const std::int64_t padded_models = padded(models), stride = padded(classes);
    const std::int64_t width = across ? padded_models * classes : models * stride;
    const auto lane = [&](std::int64_t m, std::int64_t k) { return across ? k * padded_models + m : m * stride + k; };
    std::vector<float> f = numbers(at(n * width), 5, -30, 30);
    const std::vector<float> before = f, bias = numbers(at(width), 6);
    std::vector<double> losses(at(padded_models), 0), slopes(at(width), 0);
    (across ? kernels::softmax_across : kernels::softmax_along)(n, across ? padded_models : models, classes, f.data(),
                                                                labels.data(), bias.data(), class_weight.data(),
                                                                losses.data(), slopes.data());
    for (std::int64_t m = 0; m < models; ++m) {
      double loss = 0;
      std::vector<double> sums(at(classes), 0);
      for (std::int64_t i = 0; i < n; ++i) {
        std::vector<double> row, slope(at(classes));
        for (std::int64_t k = 0; k < classes; ++k) {
          row.push_back(static_cast<double>(before[at(i * width + lane(m, k))] + bias[at(lane(m, k))]));
        }
        const auto label = static_cast<std::int64_t>(labels[at(i)]);
        const double weight = static_cast<double>(class_weight[at(label)]);
        loss += weight * softmax_loss(row, label, slope);
        for (std::int64_t k = 0; k < classes; ++k) {
          expect_near(f[at(i * width + lane(m, k))], weight * slope[at(k)], 3, "slope");
          sums[at(k)] += weight * slope[at(k)];
        }
      }
      expect_near(losses[at(m)], loss, loss, "loss");
      for (std::int64_t k = 0; k < classes; ++k) expect_near(slopes[at(lane(m, k))], sums[at(k)], 100, "slope sum");
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Shapes, Softmax,
                         ::testing::Values(std::pair{1, 3}, std::pair{1, 40}, std::pair{5, 4}, std::pair{32, 7}));

TEST(LinearLearnerKernels, RowProductsAreDotProductsAndTheirTranspose) {
  for (const std::int64_t n : {1, 3, 15, 16, 17, 100}) {
    for (const std::int64_t stride : {16, 48, 256, 784}) {
      const std::vector<float> x = numbers(at(n * stride), 1), w = numbers(at(stride), 2), factor = numbers(at(n), 3);
      std::vector<float> out(at(n)), sum = numbers(at(stride), 4);
      const std::vector<float> before = sum;
      kernels::dot_rows(n, x.data(), stride, w.data(), out.data());
      kernels::add_rows(n, x.data(), stride, factor.data(), sum.data());
      for (std::int64_t i = 0; i < n; ++i) {
        double expected = 0;
        for (std::int64_t j = 0; j < stride; ++j) {
          expected += static_cast<double>(x[at(i * stride + j)]) * static_cast<double>(w[at(j)]);
        }
        EXPECT_NEAR(out[at(i)], expected, 2e-3) << n << "x" << stride << " row " << i;
      }
      for (std::int64_t j = 0; j < stride; ++j) {
        double expected = static_cast<double>(before[at(j)]);
        for (std::int64_t i = 0; i < n; ++i) {
          expected += static_cast<double>(x[at(i * stride + j)]) * static_cast<double>(factor[at(i)]);
        }
        EXPECT_NEAR(sum[at(j)], expected, 1e-3) << n << "x" << stride << " column " << j;
      }
    }
  }
}

TEST(LinearLearnerKernels, SparseDotAddsEveryEntryOnce) {
  const std::vector<float> values = numbers(70, 1), vector = numbers(300, 2);
  std::vector<std::int32_t> index;
  for (int i = 0; i < 70; ++i) index.push_back(i * 37 % 300);
  for (std::int64_t n = 0; n <= 70; ++n) {
    double expected = 0;
    for (std::int64_t i = 0; i < n; ++i)
      expected += static_cast<double>(values[at(i)]) * static_cast<double>(vector[at(index[at(i)])]);
    EXPECT_NEAR(kernels::sparse_dot(n, index.data(), values.data(), vector.data()), expected, 5e-4);
  }
}

TEST(LinearLearnerKernels, ScoreColumnsTurnRowsAround) {
  for (const std::int64_t models : {1, 20, 32}) {
    const std::int64_t n = 37, width = models == 1 ? 1 : padded(models), stride = 50;
    const std::vector<float> f = numbers(at(n * width), 1, -9, 9), bias = numbers(at(padded(width)), 2);
    for (const bool as_probability : {false, true}) {
      std::vector<float> out(at(models * stride), -7.0f);
      kernels::score_columns(n, width, f.data(), bias.data(), models, as_probability, out.data(), stride);
      for (std::int64_t m = 0; m < models; ++m) {
        for (std::int64_t i = 0; i < n; ++i) {
          const double score = static_cast<double>(f[at(i * width + m)] + bias[at(m)]);
          EXPECT_NEAR(out[at(m * stride + i)], as_probability ? 1 / (1 + std::exp(-score)) : score, 2e-6 * 10);
        }
        EXPECT_EQ(out[at(m * stride + n)], -7.0f) << "nothing is written behind the rows";
      }
    }
  }
}

}  // namespace
}  // namespace clary::linear_learner
