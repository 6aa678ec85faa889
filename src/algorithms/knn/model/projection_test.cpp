// SPDX-License-Identifier: Apache-2.0
// Projection, and the preparation that holds it.
#include "algorithms/knn/model/projection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "algorithms/knn/model/preparation.h"
#include "base/error.h"
#include "learning/numeric/philox.h"

namespace clary::knn {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<float> noise(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

TEST(Projection, IsTheDocumentedMatrix) {
  constexpr std::int64_t kIn = 13, kOut = 70;  // one whole tile and a rest
  numeric::Team pool(1, numeric::Team::Shared());
  const Projection sign(Reduction::kSign, 3, kIn, kOut);
  const auto x = noise(kIn, 1);
  std::vector<float> y(kOut);
  sign.apply(x.data(), 1, y.data(), pool);
  for (std::int64_t c = 0; c < kOut; ++c) {
    double expected = 0;
    for (std::int64_t j = 0; j < kIn; ++j) {
      const auto i = static_cast<std::uint64_t>(j * kOut + c);
      const bool plus = numeric::philox(3, 1, i / 128)[i % 128 / 32] >> (i % 32) & 1;
      expected += (plus ? 1 : -1) * static_cast<double>(x[static_cast<std::size_t>(j)]);
    }
    EXPECT_NEAR(y[static_cast<std::size_t>(c)], expected / std::sqrt(kOut), 1e-5);
  }
}

TEST(Projection, FjltIsTheDocumentedProduct) {
  constexpr std::int64_t kIn = 11, kOut = 5;
  constexpr std::uint64_t kPadded = 16;
  numeric::Team pool(1, numeric::Team::Shared());
  const Projection fjlt(Reduction::kFjlt, 9, kIn, kOut);
  const auto x = noise(kIn, 1);
  std::vector<float> y(kOut);
  fjlt.apply(x.data(), 1, y.data(), pool);
  std::vector<std::uint64_t> rows(kPadded);
  std::iota(rows.begin(), rows.end(), 0);
  numeric::PhiloxStream random(9, 3);
  for (std::uint64_t c = 0; c < kOut; ++c) {
    std::swap(rows[c], rows[c + random.below(kPadded - c)]);
    double expected = 0;
    for (std::uint64_t j = 0; j < kIn; ++j) {
      const double sign = numeric::philox(9, 2, 0)[j / 32] >> (j % 32) & 1 ? 1 : -1;
      expected += (std::popcount(rows[c] & j) % 2 == 0 ? 1 : -1) * sign * static_cast<double>(x[j]);
    }
    EXPECT_NEAR(y[c], expected / std::sqrt(kOut), 1e-5);
  }
}

TEST(Projection, KeepsDistancesAndProductsOnAverage) {
  constexpr std::int64_t kIn = 200, kOut = 64;
  numeric::Team pool(2, numeric::Team::Shared());
  const auto pair = noise(2 * kIn, 4);
  double wanted = 0, product = 0, terms = 0;
  for (std::size_t j = 0; j < kIn; ++j) {
    wanted += std::pow(static_cast<double>(pair[j]) - pair[kIn + j], 2);
    product += static_cast<double>(pair[j]) * pair[kIn + j];
    terms += std::abs(static_cast<double>(pair[j]) * pair[kIn + j]);
  }
  for (const auto type : {Reduction::kSign, Reduction::kFjlt}) {
    double l2 = 0, inner = 0;
    constexpr int kSeeds = 300;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      std::vector<float> y(2 * kOut);
      Projection(type, seed, kIn, kOut).apply(pair.data(), 2, y.data(), pool);
      for (std::size_t c = 0; c < kOut; ++c) {
        l2 += std::pow(static_cast<double>(y[c]) - y[kOut + c], 2) / kSeeds;
        inner += static_cast<double>(y[c]) * y[kOut + c] / kSeeds;
      }
    }
    EXPECT_NEAR(l2 / wanted, 1, .03);
    EXPECT_NEAR(inner, product, .05 * terms);
  }
}

TEST(Projection, RefusesImpossibleSizes) {
  EXPECT_THAT([] { Projection(Reduction::kFjlt, 1, 10, 17); }, ThrowsMessage<Error>(HasSubstr("exceeds 16")));
  EXPECT_THAT([] { Projection(Reduction::kSign, 1, 1 << 20, 1 << 20); }, ThrowsMessage<Error>(HasSubstr("use fjlt")));
  EXPECT_THAT([] { Projection(Reduction::kSign, 1, 0, 1); }, ThrowsMessage<Error>(HasSubstr("outside")));
}

TEST(Preparation, PadsAndNormalises) {
  numeric::Team pool(1, numeric::Team::Shared());
  Vectors rows(2);
  const std::vector<float> values = {3, 4, 0, 0};
  rows.append(values);
  const Vectors out = Preparation(std::nullopt, 3, true).apply(std::move(rows), pool);
  EXPECT_EQ(std::vector<float>(out.data(), out.data() + 6), (std::vector<float>{.6F, .8F, 0, 0, 0, 0}));
  EXPECT_EQ(next_multiple(10, 4), 12);
  EXPECT_EQ(next_multiple(12, 4), 12);
}

}  // namespace
}  // namespace clary::knn
