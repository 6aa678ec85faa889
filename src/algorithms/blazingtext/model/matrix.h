// SPDX-License-Identifier: Apache-2.0
// A row-major float32 matrix without padding between rows, as fastText's files hold it, and the product of two rows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "learning/numeric/floats.h"

namespace clary::blazingtext {

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  numeric::UntouchedFloats values;  // [rows, columns]

  Matrix() = default;
  /// All zero.
  Matrix(std::int64_t r, std::int64_t c) : rows(r), columns(c), values(static_cast<std::size_t>(r * c), 0.0F) {}

  std::span<float> row(std::int64_t r) { return {values.data() + r * columns, static_cast<std::size_t>(columns)}; }
  std::span<const float> row(std::int64_t r) const {
    return {values.data() + r * columns, static_cast<std::size_t>(columns)};
  }
};

/// a . b, in eight partial sums, so that the compiler may use vector registers.
inline float dot(std::span<const float> a, std::span<const float> b) {
  std::array<float, 8> sums{};
  std::size_t d = 0;
  for (; d + 8 <= a.size(); d += 8)
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += a[d + lane] * b[d + lane];
  for (; d < a.size(); ++d) sums[0] += a[d] * b[d];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

}  // namespace clary::blazingtext
