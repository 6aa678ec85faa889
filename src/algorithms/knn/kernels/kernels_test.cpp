// SPDX-License-Identifier: Apache-2.0
// Kernels, the 8-bit copy and exact search, each beside a plain reference loop.
#include "algorithms/knn/kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "algorithms/knn/kernels/compact_rows.h"
#include "algorithms/knn/kernels/flat_search.h"
#include "algorithms/knn/kernels/nearest.h"
#include "learning/numeric/team.h"

namespace clary::knn {
namespace {

std::vector<float> gaussian(std::size_t count, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

TEST(Kernels, EverySetAgreesWithAFloat64Loop) {
  for (const Kernels& set : available_kernels()) {
    for (std::size_t width = 1; width <= 300; ++width) {
      const auto a = gaussian(width, 1), b = gaussian(width, 2);
      double l2 = 0, inner = 0, terms = 0;
      for (std::size_t i = 0; i < width; ++i) {
        l2 += std::pow(static_cast<double>(a[i]) - b[i], 2);
        inner += static_cast<double>(a[i]) * b[i];
        terms += std::abs(static_cast<double>(a[i]) * b[i]);
      }
      ASSERT_NEAR(set.squared_l2(a.data(), b.data(), width), l2, 1e-5 * l2 + 1e-12) << set.name << " " << width;
      ASSERT_NEAR(set.inner_product(a.data(), b.data(), width), inner, 1e-5 * terms) << set.name << " " << width;
    }
  }
}

/// What FlatSearch must answer: every cost by the same exact kernel, then sorted.
std::vector<Neighbour> brute_force(const std::vector<float>& rows, std::int64_t width, const float* query,
                                   std::int64_t k, bool l2) {
  Nearest best(k);
  const auto columns = static_cast<std::size_t>(width);
  for (std::size_t r = 0; r < rows.size() / columns; ++r) {
    const float* row = rows.data() + r * columns;
    const float cost = l2 ? kernels().squared_l2(query, row, columns) : -kernels().inner_product(query, row, columns);
    best.offer({cost, static_cast<std::int64_t>(r)});
  }
  return std::move(best).sorted();
}

struct Case {
  const char* name;
  std::int64_t rows, width, k;
  std::function<float(std::int64_t row, std::int64_t column, std::mt19937&)> value;
};

float normal_value(std::mt19937& random) { return std::normal_distribution<float>()(random); }

std::vector<Case> cases() {
  return {
      {"gaussian", 5000, 33, 10, [](auto, auto, auto& random) { return normal_value(random); }},
      {"one row", 1, 7, 1, [](auto, auto, auto& random) { return normal_value(random); }},
      {"one column", 3000, 1, 5, [](auto, auto, auto& random) { return normal_value(random); }},
      {"all rows asked for", 300, 16, 300, [](auto, auto, auto& random) { return normal_value(random); }},
      {"wide", 70, 3001, 3, [](auto, auto, auto& random) { return normal_value(random); }},
      // Columns of very different scale, as in covtype: the 8-bit steps are coarse beside the nearest distances.
      {"scales", 6000, 54, 10,
       [](auto, auto column, auto& random) {
         return column < 10 ? 3000 * normal_value(random) : (random() % 50 == 0);
       }},
      {"one outlier", 6000, 20, 10,
       [](auto row, auto, auto& random) { return normal_value(random) * (row == 17 ? 1e6F : 1.0F); }},
      {"far from the origin", 6000, 24, 10, [](auto, auto, auto& random) { return 1e4F + normal_value(random); }},
      {"constant columns", 4000, 12, 10,
       [](auto, auto column, auto& random) { return column < 6 ? 3.25F : normal_value(random); }},
      {"all the same", 3000, 8, 10, [](auto, auto, auto&) { return 1.5F; }},
      {"huge", 2000, 8, 5, [](auto, auto, auto& random) { return 1e17F * normal_value(random); }},
      {"tiny", 2000, 8, 5, [](auto, auto, auto& random) { return 1e-20F * normal_value(random); }},
  };
}

TEST(FlatSearch, EqualsBruteForceBitByBitOnEveryPath) {
  numeric::Team one(1, numeric::Team::Shared()), three(3, numeric::Team::Shared());
  for (const Case& c : cases()) {
    std::mt19937 random(7);
    std::vector<float> rows, queries;
    for (std::int64_t r = 0; r < c.rows; ++r) {
      for (std::int64_t j = 0; j < c.width; ++j) rows.push_back(c.value(r, j, random));
    }
    constexpr std::int64_t kCount = 37;  // one whole group and a rest
    for (std::int64_t q = 0; q < kCount; ++q) {
      for (std::int64_t j = 0; j < c.width; ++j) queries.push_back(c.value(q, j, random));
    }
    for (const auto copy : {FlatSearch::Copy::kAuto, FlatSearch::Copy::kNever}) {
      for (numeric::Team* pool : {&one, &three}) {
        const FlatSearch flat(rows.data(), c.rows, c.width, true, *pool, copy);
        std::vector<float> distances(static_cast<std::size_t>(kCount * c.k));
        std::vector<std::int64_t> ids(distances.size());
        for (const bool batch : {true, false}) {
          const std::int64_t step = batch ? kCount : 1;
          for (std::int64_t q = 0; q < kCount; q += step) {
            flat.search(queries.data() + q * c.width, step, c.k, distances.data() + q * c.k, ids.data() + q * c.k);
          }
          for (std::int64_t q = 0; q < kCount; ++q) {
            const auto truth = brute_force(rows, c.width, queries.data() + q * c.width, c.k, true);
            for (std::int64_t i = 0; i < c.k; ++i) {
              ASSERT_EQ(ids[static_cast<std::size_t>(q * c.k + i)], truth[static_cast<std::size_t>(i)].id)
                  << c.name << " copy " << flat.has_copy() << " query " << q << " place " << i;
              ASSERT_EQ(distances[static_cast<std::size_t>(q * c.k + i)], truth[static_cast<std::size_t>(i)].cost)
                  << c.name;
            }
          }
        }
      }
    }
  }
}

TEST(FlatSearch, FindsTheLargestInnerProductsOnEveryPath) {
  numeric::Team pool(2, numeric::Team::Shared());
  for (const Case& c : cases()) {
    std::mt19937 random(9);
    std::vector<float> rows, query;
    for (std::int64_t r = 0; r < c.rows; ++r) {
      for (std::int64_t j = 0; j < c.width; ++j) rows.push_back(c.value(r, j, random));
    }
    for (std::int64_t j = 0; j < c.width; ++j) query.push_back(c.value(0, j, random));
    const auto truth = brute_force(rows, c.width, query.data(), c.k, false);
    for (const auto copy : {FlatSearch::Copy::kAuto, FlatSearch::Copy::kNever}) {
      const FlatSearch flat(rows.data(), c.rows, c.width, false, pool, copy);
      std::vector<float> products(static_cast<std::size_t>(c.k));
      std::vector<std::int64_t> ids(products.size());
      flat.search(query.data(), 1, c.k, products.data(), ids.data());
      for (std::size_t i = 0; i < products.size(); ++i)
        ASSERT_EQ(products[i], -truth[i].cost) << c.name;  // ids may tie
    }
  }
}

TEST(CompactRows, RulesMostRowsOut) {
  constexpr std::int64_t kRows = 20000, kWidth = 64;
  numeric::Team pool(1, numeric::Team::Shared());
  const auto rows = gaussian(kRows * kWidth, 3), query = gaussian(kWidth, 4);
  const auto copy = CompactRows::make(rows.data(), kRows, kWidth, pool);
  if (kernels().scan == nullptr) {
    EXPECT_FALSE(copy.has_value());
    return;
  }
  ASSERT_TRUE(copy.has_value());
  EXPECT_LT(copy->bytes(), kRows * kWidth * 4 / 3);
  const auto truth = brute_force(rows, kWidth, query.data(), 10, true);
  const auto prepared = copy->prepare(query.data(), true);
  const CodeQuery limited = prepared.limited(truth.back().cost);
  std::vector<std::uint16_t> masks(static_cast<std::size_t>(copy->blocks()));
  kernels().scan(copy->blocks_from(0), copy->blocks(), {&limited, 1}, masks.data());
  const int marked =
      std::accumulate(masks.begin(), masks.end(), 0, [](int sum, std::uint16_t m) { return sum + std::popcount(m); });
  EXPECT_GE(marked, 10);
  EXPECT_LT(marked, 200) << "of 20000";
  for (const Neighbour& one : truth) EXPECT_TRUE(masks[static_cast<std::size_t>(one.id / 16)] >> (one.id % 16) & 1);
}

TEST(CompactRows, RefusesWhatItsBoundsDoNotCover) {
  numeric::Team pool(1, numeric::Team::Shared());
  const std::vector<float> huge = {1, 2, 1e20F, 4}, odd = {1, 2, std::nanf(""), 4}, infinite = {1, INFINITY, 3, 4};
  for (const auto& rows : {huge, odd, infinite}) {
    EXPECT_FALSE(CompactRows::make(rows.data(), 2, 2, pool).has_value());
  }
}

TEST(FlatSearch, SurvivesProductsThatOverflow) {
  numeric::Team pool(1, numeric::Team::Shared());
  const std::vector<float> rows = {1e30F, -1e30F, 1, 1, 3e38F, 3e38F}, query = {3e38F, 3e38F};
  const FlatSearch flat(rows.data(), 3, 2, false, pool);
  std::vector<float> products(3);
  std::vector<std::int64_t> ids(3);
  flat.search(query.data(), 1, 3, products.data(), ids.data());  // inf - inf is no number: that row is left out
  EXPECT_EQ(ids.back(), -1);
}

}  // namespace
}  // namespace clary::knn
