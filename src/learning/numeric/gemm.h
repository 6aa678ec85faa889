// SPDX-License-Identifier: Apache-2.0
// Matrix products whose inner or outer dimension is small, compiled for SSE4, AVX2 and AVX-512 and chosen at run time
// (Highway). All matrices are row-major float32; "width" arguments are padded row lengths: multiples of kPad, with
// zeros in the padding. Nothing here allocates, locks or keeps state, so every function may run on any thread.
#pragma once

#include <cstdint>

namespace clary::numeric {

/// Row lengths are padded to this many floats (one AVX-512 register).
constexpr std::int64_t kPad = 16;
constexpr std::int64_t padded(std::int64_t n) { return (n + kPad - 1) / kPad * kPad; }

/// c[M, width] = a[M, K] b[K, width]     (or += when accumulate)
void gemm_nn(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
             std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate);

/// c[K, width] += a[M, K]^T b[M, width]
void gemm_tn_add(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
                 std::int64_t ldb, float* c, std::int64_t ldc);

/// partial[M, K, kPad] += lane-wise a[m, :] * b[k, :]; the dot product is the sum over the last axis, taken once at the
/// end by sum_lanes. This keeps horizontal adds out of the loop over tiles of a very wide contraction.
void gemm_nt_lanes(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
                   std::int64_t ldb, float* partial);
/// out[i] = sum over kPad lanes of partial[i, :], i < n
void sum_lanes(std::int64_t n, const float* partial, float* out);

/// out[:] = start[:] + sum_j values[j] * matrix[index[j], :]     start may be null (zeros)
void gather_sum(std::int64_t n, const std::int32_t* index, const float* values, const float* matrix,
                std::int64_t stride, std::int64_t width, const float* start, float* out);

/// Name of the instruction set in use, e.g. "AVX3".
const char* instruction_set();

}  // namespace clary::numeric
