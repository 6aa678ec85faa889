// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/product.h"

#include <fmt/format.h>

#include <algorithm>

#include "learning/nn/onednn.h"
#include "learning/nn/packed_kernels.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/index.h"

namespace clary::nn {
namespace {

using numeric::at;
using packed::kPanel;

// Blocks: a strip of b, kInner rows by kColumns columns, is packed into panels that stay in the second-level cache
// while all rows of a pass by. A transposed a is laid out anew kRows rows at a time.
constexpr std::int64_t kInner = 512, kColumns = 512, kRows = 48;
/// With fewer rows, packing b costs more than it saves.
constexpr std::int64_t kFewestRows = 32;

/// Memory of a thread, used again from product to product.
struct Buffers {
  numeric::UntouchedFloats panels, rows;
  float last[kRows * kPanel];
};

/// The strip b[inner ..., column ...], panel by panel; outputs beyond the last column are zero.
void pack_strip(const MatrixView& b, std::int64_t inner, std::int64_t k, std::int64_t column, std::int64_t n,
                float* panels) {
  for (std::int64_t j = 0; j < n; j += kPanel, panels += k * kPanel) {
    const std::int64_t width = std::min(kPanel, n - j);
    if (width < kPanel) std::fill_n(panels, k * kPanel, 0.0F);
    if (b.transposed == Transposed::kYes) {
      packed::pack_float32(width, k, b.values + (column + j) * b.stride + inner, b.stride, panels);
      continue;
    }
    for (std::int64_t i = 0; i < k; ++i)
      std::copy_n(b.values + (inner + i) * b.stride + column + j, width, panels + i * kPanel);
  }
}

/// Rows [row, row + m) of op(a), columns [inner, inner + k).
MatrixView rows_of(const MatrixView& a, std::int64_t row, std::int64_t m, std::int64_t inner, std::int64_t k,
                   numeric::UntouchedFloats& memory) {
  if (a.transposed == Transposed::kNo) return {a.values + row * a.stride + inner, a.stride};
  memory.resize(at(kRows * kInner));
  packed::transpose(k, m, a.values + inner * a.stride + row, a.stride, memory.data(), k);
  return {memory.data(), k};
}

/// c (+)= rows * strip. The last panel goes through memory of its own where it is not whole, for a kernel writes kPanel
/// columns.
void multiply_strip(const MatrixView& rows, std::int64_t m, std::int64_t k, const float* panels, std::int64_t n,
                    bool accumulate, float* c, std::int64_t c_stride, float* last) {
  for (std::int64_t j = 0; j < n; j += kPanel, panels += k * kPanel) {
    const packed::Panel panel{panels, k, nullptr, accumulate};
    const std::int64_t width = n - j;
    if (width >= kPanel) {
      packed::multiply_float32(panel, m, rows.values, rows.stride, c + j, c_stride);
      continue;
    }
    for (std::int64_t r = 0; accumulate && r < m; ++r) std::copy_n(c + r * c_stride + j, width, last + r * kPanel);
    packed::multiply_float32(panel, m, rows.values, rows.stride, last, kPanel);
    for (std::int64_t r = 0; r < m; ++r) std::copy_n(last + r * kPanel, width, c + r * c_stride + j);
  }
}

void packed_product(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView& a, const MatrixView& b,
                    bool accumulate, float* c, std::int64_t c_stride) {
  thread_local Buffers buffers;
  buffers.panels.resize(at(kInner * kColumns));
  for (std::int64_t column = 0; column < n; column += kColumns) {
    const std::int64_t columns = std::min(kColumns, n - column);
    for (std::int64_t inner = 0; inner < k; inner += kInner) {
      const std::int64_t depth = std::min(kInner, k - inner);
      pack_strip(b, inner, depth, column, columns, buffers.panels.data());
      for (std::int64_t row = 0; row < m; row += kRows) {
        const std::int64_t height = std::min(kRows, m - row);
        multiply_strip(rows_of(a, row, height, inner, depth, buffers.rows), height, depth, buffers.panels.data(),
                       columns, accumulate || inner > 0, c + row * c_stride + column, c_stride, buffers.last);
      }
    }
  }
}

}  // namespace

void product(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView& a, const MatrixView& b, float beta,
             float* c, std::int64_t c_stride) {
  if (m >= kFewestRows && n >= kPanel / 2 && (beta == 0 || beta == 1)) {
    packed_product(m, n, k, a, b, beta == 1, c, c_stride);
    return;
  }
  const onednn::ThreadCount one(1);
  const auto letter = [](const MatrixView& matrix) { return matrix.transposed == Transposed::kYes ? 'T' : 'N'; };
  const auto status =
      dnnl_sgemm(letter(a), letter(b), m, n, k, 1.0F, a.values, a.stride, b.values, b.stride, beta, c, c_stride);
  if (status != dnnl_success)
    throw Error(Kind::kInternal,
                fmt::format("oneDNN: sgemm of {} x {} x {} failed with status {}", m, n, k, static_cast<int>(status)));
}

}  // namespace clary::nn
