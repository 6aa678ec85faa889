// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/finite_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"

namespace clary::shell {
namespace {

const FiniteCheck kCheck("toy", "lower learning_rate");

/// The refusal of an array that is 1 except for `bad` at `place`.
template <class T>
std::string refusal(std::size_t size, std::size_t place, T bad) {
  std::vector<T> values(size, T{1});
  values[place] = bad;
  try {
    kCheck.array("weight", std::span<const T>(values));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    return error.what();
  }
  return "accepted";
}

TEST(FiniteCheck, NamesArrayPlaceValueAndAdvice) {
  EXPECT_EQ(refusal<float>(3, 2, NAN),
            "toy: weight[2] of the trained model is nan, must be finite; the model is not saved: lower learning_rate");
  EXPECT_EQ(refusal<double>(1, 0, -INFINITY),
            "toy: weight[0] of the trained model is -inf, must be finite; the model is not saved: lower learning_rate");
}

TEST(FiniteCheck, FindsASingleBadNumberWhereverItIs) {
  for (const std::size_t size : {1U, 7U, 8U, 9U, 4095U, 4096U, 4097U, 10000U})
    for (const std::size_t place : {std::size_t{0}, size / 2, size - 1})
      for (const float bad : {NAN, INFINITY, -INFINITY}) {
        const std::string expected = "weight[" + std::to_string(place) + "]";
        EXPECT_NE(refusal<float>(size, place, bad).find(expected), std::string::npos) << size << ' ' << place;
        EXPECT_NE(refusal<double>(size, place, static_cast<double>(bad)).find(expected), std::string::npos);
      }
}

TEST(FiniteCheck, AcceptsTheLargestAndSmallestNumbersAndNothingAtAll) {
  using Limits = std::numeric_limits<float>;
  const std::vector<float> values{Limits::max(), Limits::lowest(), Limits::denorm_min(), -0.0F, 0.0F, Limits::max()};
  kCheck.array("weight", values);
  kCheck.array("weight", std::span<const float>());
  kCheck.number("bias", std::numeric_limits<double>::max());
}

}  // namespace
}  // namespace clary::shell
