// SPDX-License-Identifier: Apache-2.0
// Packed products beside plain loops in float64.
#include "learning/nn/packed_matrix.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <tuple>
#include <vector>

#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::nn {
namespace {

using numeric::at;

constexpr std::int64_t kGap = 3;  // between rows of all matrices
constexpr float kUntouched = 7;

std::vector<float> draws(std::int64_t n, std::uint64_t seed) {
  numeric::PhiloxStream random(seed, 0);
  std::vector<float> out(at(n));
  for (float& x : out) x = static_cast<float>(static_cast<double>(random.next64() >> 40) / 0x1p23 - 1);
  return out;
}

struct Shape {
  std::int64_t rows, inputs, outputs;
};

/// Matrices of a product, and its result by plain loops.
struct Product {
  Shape shape;
  std::vector<float> w, x, y, bias;
  std::int64_t w_stride, x_stride, y_stride;

  explicit Product(const Shape& s)
      : shape(s),
        w(draws(s.outputs * (s.inputs + kGap), 1)),
        x(draws(s.rows * (s.inputs + kGap), 2)),
        y(draws(s.rows * (s.outputs + kGap), 3)),
        bias(draws(s.outputs, 4)),
        w_stride(s.inputs + kGap),
        x_stride(s.inputs + kGap),
        y_stride(s.outputs + kGap) {
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t g = 0; g < kGap; ++g) y[at(r * y_stride + s.outputs + g)] = kUntouched;
  }
  double expected(std::int64_t r, std::int64_t o, bool with_bias, bool accumulate) const {
    double sum = (with_bias ? double{bias[at(o)]} : 0) + (accumulate ? double{y[at(r * y_stride + o)]} : 0);
    for (std::int64_t i = 0; i < shape.inputs; ++i)
      sum += double{x[at(r * x_stride + i)]} * double{w[at(o * w_stride + i)]};
    return sum;
  }
};

/// Errors of a sum of `inputs` products of numbers below 1.
double tolerance(WeightPrecision precision, std::int64_t inputs) {
  const double n = std::sqrt(static_cast<double>(inputs));
  if (precision == WeightPrecision::kFloat32) return 1e-6 * n + 1e-6;
  return (precision == WeightPrecision::kBFloat16 ? 0.006 : 0.02) * n;
}

/// Calls f once for each instruction set that the kernels exist for here.
template <class F>
void for_each_target(F f) {
  for (auto left = hwy::SupportedTargets(); left != 0; left &= left - 1) {
    const auto target = left & -left;
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();  // chosen anew at the next call
    f();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

class Packed : public testing::TestWithParam<WeightPrecision> {
 protected:
  void SetUp() override {
    if (GetParam() == WeightPrecision::kInt8 && !has_int8_products()) GTEST_SKIP() << "no AVX-512 VNNI";
  }
};

void expect_plain_loops(const Product& p, WeightPrecision precision, bool with_bias, bool accumulate) {
  const auto& [rows, inputs, outputs] = p.shape;
  const PackedMatrix matrix(outputs, inputs, p.w.data(), p.w_stride, precision);
  std::vector<float> y = p.y;
  matrix.multiply(rows, p.x.data(), p.x_stride, y.data(), p.y_stride, with_bias ? p.bias.data() : nullptr, accumulate);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t o = 0; o < outputs; ++o)
      ASSERT_NEAR(y[at(r * p.y_stride + o)], p.expected(r, o, with_bias, accumulate), tolerance(precision, inputs))
          << rows << " x " << inputs << " x " << outputs << " at " << r << ", " << o;
    for (std::int64_t g = 0; g < kGap; ++g) ASSERT_EQ(y[at(r * p.y_stride + outputs + g)], kUntouched);
  }
}

TEST_P(Packed, EqualsPlainLoopsForEveryShape) {
  for_each_target([&] {
    for (const Shape& shape : {Shape{1, 1, 1}, Shape{5, 7, 64}, Shape{6, 64, 63}, Shape{7, 33, 130}, Shape{13, 50, 200},
                               Shape{80, 129, 65}, Shape{2, 512, 320}, Shape{3, 18, 17}})
      for (const bool with_bias : {false, true})
        for (const bool accumulate : {false, true})
          expect_plain_loops(Product(shape), GetParam(), with_bias, accumulate);
  });
}

TEST_P(Packed, RowDoesNotDependOnItsNeighbours) {
  const Product p({17, 100, 150});
  const PackedMatrix matrix(150, 100, p.w.data(), p.w_stride, GetParam());
  std::vector<float> together(17 * 150), alone(150);
  matrix.multiply(17, p.x.data(), p.x_stride, together.data(), 150);
  for (std::int64_t r = 0; r < 17; ++r) {
    matrix.multiply(1, p.x.data() + r * p.x_stride, p.x_stride, alone.data(), 150);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + r * 150)) << r;
  }
}

TEST_P(Packed, PackReplacesTheWeights) {
  const Product p({4, 30, 70});
  const std::vector<float> other = draws(70 * 30, 9);
  PackedMatrix matrix(70, 30, other.data(), 30, GetParam());
  matrix.pack(p.w.data(), p.w_stride);
  const PackedMatrix fresh(70, 30, p.w.data(), p.w_stride, GetParam());
  std::vector<float> again(4 * 70), expected(4 * 70);
  matrix.multiply(4, p.x.data(), p.x_stride, again.data(), 70);
  fresh.multiply(4, p.x.data(), p.x_stride, expected.data(), 70);
  EXPECT_EQ(again, expected);
}

TEST_P(Packed, ThreadsMayMultiplyAtOnce) {
  const Product p({9, 64, 256});
  const PackedMatrix matrix(256, 64, p.w.data(), p.w_stride, GetParam());
  std::vector<float> expected(9 * 256);
  matrix.multiply(9, p.x.data(), p.x_stride, expected.data(), 256);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::vector<float> y(9 * 256);
      for (std::int64_t rows = 1 + t; rows <= 9; rows += 2) {
        matrix.multiply(rows, p.x.data(), p.x_stride, y.data(), 256);
        EXPECT_TRUE(std::equal(y.begin(), y.begin() + rows * 256, expected.begin()));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_P(Packed, RowsOfZerosGiveTheBias) {
  const Product p({2, 40, 66});
  const PackedMatrix matrix(66, 40, p.w.data(), p.w_stride, GetParam());
  const std::vector<float> zeros(2 * 40, 0.0F);
  std::vector<float> y(2 * 66);
  matrix.multiply(2, zeros.data(), 40, y.data(), 66, p.bias.data());
  for (std::int64_t o = 0; o < 66; ++o) EXPECT_EQ(y[at(66 + o)], p.bias[at(o)]);
}

INSTANTIATE_TEST_SUITE_P(AllPrecisions, Packed,
                         testing::Values(WeightPrecision::kFloat32, WeightPrecision::kBFloat16, WeightPrecision::kInt8),
                         [](const auto& parameter) {
                           return parameter.param == WeightPrecision::kFloat32    ? "Float32"
                                  : parameter.param == WeightPrecision::kBFloat16 ? "BFloat16"
                                                                                  : "Int8";
                         });

TEST(PackedMatrix, PanelsMayBePackedAndMultipliedApartFromEitherLayout) {
  for (const Shape& shape : {Shape{13, 50, 200}, Shape{9, 71, 131}, Shape{6, 3, 64}, Shape{7, 66, 2}}) {
    const Product p(shape);
    const PackedMatrix whole(shape.outputs, shape.inputs, p.w.data(), p.w_stride);
    std::vector<float> expected = p.y;
    whole.multiply(shape.rows, p.x.data(), p.x_stride, expected.data(), p.y_stride, nullptr, true);
    std::vector<float> transposed(at(shape.inputs * (shape.outputs + kGap)));
    for (std::int64_t o = 0; o < shape.outputs; ++o)
      for (std::int64_t i = 0; i < shape.inputs; ++i)
        transposed[at(i * (shape.outputs + kGap) + o)] = p.w[at(o * p.w_stride + i)];
    for (const MatrixView& weights :
         {MatrixView{p.w.data(), p.w_stride}, MatrixView{transposed.data(), shape.outputs + kGap, Transposed::kYes}}) {
      PackedMatrix matrix(shape.outputs, shape.inputs);
      std::vector<float> y = p.y;
      for (std::int64_t panel = matrix.panels(); panel-- > 0;) matrix.pack_panels(panel, panel + 1, weights);
      const std::int64_t half = matrix.panels() / 2;
      matrix.multiply_panels(half, matrix.panels(), shape.rows, p.x.data(), p.x_stride, y.data(), p.y_stride, true);
      matrix.multiply_panels(0, half, shape.rows, p.x.data(), p.x_stride, y.data(), p.y_stride, true);
      EXPECT_EQ(y, expected);
    }
  }
}

TEST(PackedMatrix, Int8IsRefusedWithoutItsInstructions) {
  if (has_int8_products()) GTEST_SKIP() << "this CPU has AVX-512 VNNI";
  const float weight = 1;
  EXPECT_ANY_THROW(PackedMatrix(1, 1, &weight, 1, WeightPrecision::kInt8));
}

}  // namespace
}  // namespace clary::nn
