// SPDX-License-Identifier: Apache-2.0
// A row-major float32 matrix whose rows start on cache lines and are padded with zeros to whole vector registers.
// Invariant: padding is zero, so kernels may run over `stride` columns.
#pragma once

#include <algorithm>
#include <cstdint>

#include "learning/numeric/floats.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::numeric {

struct PaddedMatrix {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
  UntouchedFloats values;  // [rows, stride]

  PaddedMatrix() = default;
  /// All zero.
  PaddedMatrix(std::int64_t r, std::int64_t c)
      : rows(r), columns(c), stride(stride_for(c)), values(numeric::at(r * stride), 0.0F) {}
  /// Memory that is not written to: the caller fills whole rows, padding included, before they are read.
  static PaddedMatrix untouched(std::int64_t r, std::int64_t c) {
    PaddedMatrix out;
    out.rows = r, out.columns = c, out.stride = stride_for(c);
    out.values.resize(numeric::at(r * out.stride));
    return out;
  }

  float* row(std::int64_t r) { return values.data() + r * stride; }
  const float* row(std::int64_t r) const { return values.data() + r * stride; }
  float& at(std::int64_t r, std::int64_t c) { return values[numeric::at(r * stride + c)]; }
  float at(std::int64_t r, std::int64_t c) const { return values[numeric::at(r * stride + c)]; }
  /// At least r rows of c columns; contents are kept only if the shape stays. Never shrinks memory.
  void reshape(std::int64_t r, std::int64_t c) {
    if (c == columns && r <= rows) return;
    *this = PaddedMatrix(r, c);
  }
  void zero() { std::fill(values.begin(), values.end(), 0.0F); }

 private:
  /// Rows a multiple of 1 KiB apart would fall on the same few cache sets: one register more avoids that.
  static std::int64_t stride_for(std::int64_t c) {
    const std::int64_t p = padded(c);
    return p >= 512 && p % 256 == 0 ? p + kPad : p;
  }
};

}  // namespace clary::numeric
