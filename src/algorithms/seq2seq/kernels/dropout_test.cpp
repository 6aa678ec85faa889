// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/kernels/dropout.h"

#include <gtest/gtest.h>

#include <vector>

#include "learning/numeric/philox.h"

namespace clary::seq2seq::kernels {
namespace {

TEST(Seq2SeqDropout, KeepsWhatThePlainGeneratorKeeps) {
  const DropoutMask mask{.share = 0.3, .seed = 0x123456789ABCDEFULL, .stream = 5};
  constexpr std::int64_t kRows = 3, kWidth = 150, kStride = 160, kFirst = 7;
  std::vector<float> x(kRows * kStride, 2.0F);
  drop(mask, kFirst, kRows, kWidth, x.data(), kStride);
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t c = 0; c < kStride; ++c) {
      const std::int64_t group = c / 64, word = c % 64 / 16, counter = 16 * group + c % 16;
      const auto words = numeric::philox(
          {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(kFirst + r), mask.stream, 0}, mask.seed);
      const bool kept = words[static_cast<std::size_t>(word)] >= static_cast<std::uint32_t>(0.3 * 0x1p32);
      const float wanted = c >= kWidth ? 2.0F : kept ? static_cast<float>(2 / 0.7) : 0.0F;
      ASSERT_FLOAT_EQ(x[static_cast<std::size_t>(r * kStride + c)], wanted) << "row " << r << ", column " << c;
    }
}

TEST(Seq2SeqDropout, DropsTheShareAndKeepsTheMean) {
  std::vector<float> x(1000 * 512, 1.0F);
  drop({.share = 0.2, .seed = 3}, 0, 1000, 512, x.data(), 512);
  double sum = 0, zeros = 0;
  for (const float v : x) sum += v, zeros += v == 0;
  EXPECT_NEAR(zeros / static_cast<double>(x.size()), 0.2, 0.003);
  EXPECT_NEAR(sum / static_cast<double>(x.size()), 1.0, 0.004);
}

TEST(Seq2SeqDropout, ShareOneDropsAllAndShareZeroNothing) {
  std::vector<float> x(100, 1.0F);
  drop({.share = 0, .seed = 3}, 0, 1, 100, x.data(), 100);
  EXPECT_EQ(x, std::vector<float>(100, 1.0F));
  drop({.share = 1, .seed = 3}, 0, 1, 100, x.data(), 100);
  EXPECT_EQ(x, std::vector<float>(100, 0.0F));
}

}  // namespace
}  // namespace clary::seq2seq::kernels
