// SPDX-License-Identifier: Apache-2.0
// A row-major float32 matrix without padding between rows, as fastText's files hold it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "learning/numeric/floats.h"

namespace clary::blazingtext {

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  numeric::Floats values;  // [rows, columns]

  Matrix() = default;
  /// All zero.
  Matrix(std::int64_t r, std::int64_t c) : rows(r), columns(c), values(static_cast<std::size_t>(r * c)) {}

  std::span<float> row(std::int64_t r) { return {values.data() + r * columns, static_cast<std::size_t>(columns)}; }
  std::span<const float> row(std::int64_t r) const {
    return {values.data() + r * columns, static_cast<std::size_t>(columns)};
  }
};

}  // namespace clary::blazingtext
