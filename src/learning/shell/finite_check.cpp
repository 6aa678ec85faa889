// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/finite_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace clary::shell {
namespace {

constexpr std::size_t kBlock = 4096;

/// 0 * x is 0 for a finite x and NaN for any other, and NaN stays NaN in a sum. Eight sums without a branch become
/// vector code, so that the check of a model costs one pass at the speed of memory.
template <class T>
bool all_finite(std::span<const T> values) {
  T sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= values.size(); i += 8)
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += values[i + lane] * T{0};
  for (; i < values.size(); ++i) sums[0] += values[i] * T{0};
  return std::all_of(std::begin(sums), std::end(sums), [](T sum) { return sum == 0; });
}

}  // namespace

template <class T>
void FiniteCheck::check(std::string_view name, std::span<const T> values) const {
  // In blocks, so that the position of the first bad number is found without a second pass over everything.
  for (std::size_t from = 0; from < values.size(); from += kBlock) {
    const auto block = values.subspan(from, std::min(kBlock, values.size() - from));
    if (all_finite(block)) continue;
    // Only here, in the block that is known to hold one.
    const auto bad = std::find_if_not(block.begin(), block.end(), [](T value) { return std::isfinite(value); });
    throw Error(Kind::kInvalid,
                fmt::format("{}: {}[{}] of the trained model is {}, must be finite; the model is not saved: {}",
                            algorithm_, name, from + static_cast<std::size_t>(bad - block.begin()), *bad, advice_));
  }
}

void FiniteCheck::array(std::string_view name, std::span<const float> values) const { check(name, values); }
void FiniteCheck::array(std::string_view name, std::span<const double> values) const { check(name, values); }

}  // namespace clary::shell
