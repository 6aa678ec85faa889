// SPDX-License-Identifier: Apache-2.0
// Matrix products of any shape on the calling thread alone: callers divide rows or columns among the threads of their
// team. With enough rows they are the kernels of packed_matrix.h, b being packed a strip at a time; else oneDNN's
// sgemm. Row-major float32.
#pragma once

#include <cstdint>

namespace clary::nn {

enum class Transposed { kNo, kYes };

/// A matrix in memory: first number, and numbers from one row to the next.
struct MatrixView {
  const float* values = nullptr;
  std::int64_t stride = 0;
  Transposed transposed = Transposed::kNo;
};

/// c[m, n] = op(a)[m, k] op(b)[k, n] + beta c; op transposes where its matrix says so (stride is that of the memory).
/// With beta 0, c may hold anything. @throws Error{kInternal} from oneDNN
void product(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView& a, const MatrixView& b, float beta,
             float* c, std::int64_t c_stride);

}  // namespace clary::nn
