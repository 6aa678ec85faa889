// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/neighbours.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "algorithms/blazingtext/model/test_model.h"

namespace clary::blazingtext {
namespace {

/// Enough words for several threads; two of them equal, one of zeros.
Model many_words() {
  constexpr std::int64_t kWords = 40'000, kDim = 7;
  std::vector<std::string> words;
  for (std::int64_t i = 0; i < kWords; ++i) words.push_back("word" + std::to_string(i));
  Model out;
  out.settings = {.dim = kDim, .architecture = Architecture::kSkipgram};
  out.dictionary = dictionary_of(words, 0);
  out.input = Matrix(kWords, kDim);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (float& value : out.input.values) value = normal(random);
  std::copy_n(out.input.row(5).begin(), kDim, out.input.row(kWords - 2).begin());
  std::fill_n(out.input.row(9).begin(), kDim, 0.0F);
  return out;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    ab += x * y, aa += x * x, bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

TEST(Neighbours, AreTheHighestCosinesBestFirst) {
  const Model model = many_words();
  const Neighbours neighbours(model);
  const auto asked = model.input.row(5);
  std::vector<std::pair<double, std::int64_t>> all;
  for (std::int64_t i = 0; i < model.input.rows; ++i)
    if (i != 5 && i != 9) all.emplace_back(-cosine(asked, model.input.row(i)), i);
  std::sort(all.begin(), all.end());
  for (const std::int64_t k : {1, 10, 500}) {
    const auto found = neighbours.nearest(asked, k, 5);
    ASSERT_EQ(std::ssize(found), k);
    EXPECT_EQ(found[0].word, model.input.rows - 2) << "its equal";
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(static_cast<double>(found[i].similarity), -all[i].first, 1e-6);
  }
  EXPECT_EQ(std::ssize(neighbours.nearest(asked, 1'000'000, -1)), model.input.rows) << "all, itself too";
  EXPECT_TRUE(neighbours.nearest(model.input.row(9), 3, -1).empty()) << "zeros have no direction";
}

}  // namespace
}  // namespace clary::blazingtext
