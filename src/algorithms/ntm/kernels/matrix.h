// SPDX-License-Identifier: Apache-2.0
// A row-major float32 matrix whose rows start on cache lines and are padded with zeros to whole vector registers.
// Invariant: padding is zero, so kernels may run over `stride` columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "algorithms/ntm/kernels/kernels.h"
#include "learning/numeric/floats.h"

namespace clary::ntm {

using numeric::Floats;

struct Matrix {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
  Floats values;

  Matrix() = default;
  Matrix(std::int64_t r, std::int64_t c)
      : rows(r), columns(c), stride(stride_for(c)), values(static_cast<std::size_t>(r * stride)) {}

  float* row(std::int64_t r) { return values.data() + r * stride; }
  const float* row(std::int64_t r) const { return values.data() + r * stride; }
  float& at(std::int64_t r, std::int64_t c) { return values[static_cast<std::size_t>(r * stride + c)]; }
  float at(std::int64_t r, std::int64_t c) const { return values[static_cast<std::size_t>(r * stride + c)]; }
  /// At least r rows of c columns; contents are kept only if the shape stays. Never shrinks memory.
  void reshape(std::int64_t r, std::int64_t c) {
    if (c == columns && r <= rows) return;
    *this = Matrix(r, c);
  }
  void zero() { std::memset(values.data(), 0, values.size() * sizeof(float)); }

 private:
  /// Rows a multiple of 1 KiB apart would fall on the same few cache sets: one register more avoids that.
  static std::int64_t stride_for(std::int64_t c) {
    const std::int64_t p = kernels::padded(c);
    return p >= 512 && p % 256 == 0 ? p + kernels::kPad : p;
  }
};

}  // namespace clary::ntm
