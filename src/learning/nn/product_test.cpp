// SPDX-License-Identifier: Apache-2.0
// Products beside plain loops in float64.
#include "learning/nn/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::nn {
namespace {

using numeric::at;

constexpr std::int64_t kGap = 3;  // between rows of all matrices

std::vector<float> draws(std::int64_t n, std::uint64_t seed) {
  numeric::PhiloxStream random(seed, 0);
  std::vector<float> out(at(n));
  for (float& x : out) x = static_cast<float>(static_cast<double>(random.next64() >> 40) / 0x1p23 - 1);
  return out;
}

struct Shape {
  std::int64_t m, n, k;
};

void expect_product(const Shape& s, Transposed ta, Transposed tb, float beta) {
  const bool a_is_transposed = ta == Transposed::kYes, b_is_transposed = tb == Transposed::kYes;
  const std::int64_t a_stride = (a_is_transposed ? s.m : s.k) + kGap, b_stride = (b_is_transposed ? s.k : s.n) + kGap;
  const std::int64_t c_stride = s.n + kGap;
  const auto a = draws((a_is_transposed ? s.k : s.m) * a_stride, 1),
             b = draws((b_is_transposed ? s.n : s.k) * b_stride, 2);
  const auto before = draws(s.m * c_stride, 3);
  std::vector<float> c = before;
  if (beta == 0)  // what c holds must not matter
    for (std::int64_t i = 0; i < s.m; ++i)
      for (std::int64_t j = 0; j < s.n; ++j) c[at(i * c_stride + j)] = std::numeric_limits<float>::quiet_NaN();
  product(s.m, s.n, s.k, {a.data(), a_stride, ta}, {b.data(), b_stride, tb}, beta, c.data(), c_stride);
  const double tolerance = 2e-6 * std::sqrt(static_cast<double>(s.k)) + 2e-6;
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      double sum = beta == 0 ? 0 : static_cast<double>(beta) * double{before[at(i * c_stride + j)]};
      for (std::int64_t l = 0; l < s.k; ++l)
        sum += double{a[at(a_is_transposed ? l * a_stride + i : i * a_stride + l)]} *
               double{b[at(b_is_transposed ? j * b_stride + l : l * b_stride + j)]};
      ASSERT_NEAR(c[at(i * c_stride + j)], sum, tolerance) << i << ", " << j;
    }
    for (std::int64_t g = s.n; g < c_stride; ++g) ASSERT_EQ(c[at(i * c_stride + g)], before[at(i * c_stride + g)]);
  }
}

TEST(Product, EqualsPlainLoopsForEveryShapeLayoutAndBeta) {
  // Few rows and columns; rows, columns and depths on both sides of the blocks' borders.
  for (const Shape& s : {Shape{1, 1, 1}, Shape{5, 70, 9}, Shape{31, 64, 33}, Shape{32, 32, 1}, Shape{33, 65, 17},
                         Shape{49, 130, 513}, Shape{100, 515, 40}, Shape{48, 64, 512}, Shape{97, 63, 1030}})
    for (const Transposed ta : {Transposed::kNo, Transposed::kYes})
      for (const Transposed tb : {Transposed::kNo, Transposed::kYes})
        for (const float beta : {0.0F, 1.0F, 0.5F}) {
          SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k << ", transposed "
                                          << (ta == Transposed::kYes) << (tb == Transposed::kYes) << ", beta " << beta);
          expect_product(s, ta, tb, beta);
          if (testing::Test::HasFatalFailure()) return;
        }
}

}  // namespace
}  // namespace clary::nn
