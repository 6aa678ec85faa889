// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/products.h"

#include <algorithm>

#include "algorithms/seq2seq/kernels/rows.h"
#include "learning/numeric/gemm.h"

namespace clary::seq2seq {
namespace {

/// Pieces of rows and of columns into which c is cut.
struct Grid {
  int rows = 1, columns = 1;
};

/// As many pieces as threads, so that a thread reads as little as possible: (m / rows + n / columns) k numbers.
Grid grid_for(std::int64_t m, std::int64_t n, int threads) {
  Grid best;
  double least = 0;
  for (int rows = 1; rows <= threads; ++rows) {
    if (threads % rows != 0) continue;
    const int columns = threads / rows;
    const double reads = static_cast<double>(m) / rows + static_cast<double>(n) / columns;
    if (rows > 1 && reads >= least) continue;
    least = reads;
    best = {rows, columns};
  }
  return best;
}

nn::MatrixView rows_from(const nn::MatrixView& matrix, std::int64_t row) {
  const bool transposed = matrix.transposed == nn::Transposed::kYes;
  return {matrix.values + row * (transposed ? 1 : matrix.stride), matrix.stride, matrix.transposed};
}

nn::MatrixView columns_from(const nn::MatrixView& matrix, std::int64_t column) {
  const bool transposed = matrix.transposed == nn::Transposed::kYes;
  return {matrix.values + column * (transposed ? matrix.stride : 1), matrix.stride, matrix.transposed};
}

}  // namespace

void product(numeric::Team& team, std::int64_t m, std::int64_t n, std::int64_t k, const nn::MatrixView& a,
             const nn::MatrixView& b, float beta, float* c, std::int64_t c_stride) {
  const Grid grid = grid_for(m, n, team.size());
  team.run([&](int thread) {
    const auto [row, row_end] = numeric::share(m, thread / grid.columns, grid.rows, numeric::kPad);
    const auto [column, column_end] = numeric::share(n, thread % grid.columns, grid.columns, numeric::kPad);
    if (row == row_end || column == column_end) return;
    nn::product(row_end - row, column_end - column, k, rows_from(a, row), columns_from(b, column), beta,
                c + row * c_stride + column, c_stride);
  });
}

void StepMatrix::assign(numeric::Team& team, std::int64_t k, std::int64_t n, const nn::MatrixView& b) {
  if (packed_.outputs() != n || packed_.inputs() != k) packed_ = nn::PackedMatrix(n, k);
  // A packed matrix is [n, k]: b's transpose.
  const bool transposed = b.transposed == nn::Transposed::kYes;
  const nn::MatrixView weights{b.values, b.stride, transposed ? nn::Transposed::kNo : nn::Transposed::kYes};
  team.run([&](int thread) {
    const auto [first, last] = numeric::share(packed_.panels(), thread, team.size());
    packed_.pack_panels(first, last, weights);
  });
}

void column_sums(numeric::Team& team, std::int64_t rows, std::int64_t width, const float* from, std::int64_t stride,
                 float beta, float* to) {
  team.run([&](int thread) {
    const auto [begin, end] = numeric::share(width, thread, team.size(), numeric::kPad);
    if (beta == 0) std::fill(to + begin, to + end, 0.0F);
    kernels::add_column_sums(rows, end - begin, from + begin, stride, to + begin);
  });
}

}  // namespace clary::seq2seq
