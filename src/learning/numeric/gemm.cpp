// SPDX-License-Identifier: Apache-2.0
// Register-blocked products for small inner dimensions. Blocks keep 12 accumulators: enough to cover the FMA latency on
// AVX-512 and few enough for AVX2's 16 registers.
#include "learning/numeric/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "learning/numeric/gemm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::numeric::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;

/// kRows x 2 vectors of c = (c +) a b, k long.
/// Accumulators stay in registers while k runs: a and b are read once per block, c is read and written once.
template <int kRows>
HWY_INLINE void block_nn(I k, const float* HWY_RESTRICT a, I lda, const float* HWY_RESTRICT b, I ldb,
                         float* HWY_RESTRICT c, I ldc, bool accumulate) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V left[kRows], right[kRows];
  for (int r = 0; r < kRows; ++r) {
    left[r] = accumulate ? hn::LoadU(d, c + r * ldc) : hn::Zero(d);
    right[r] = accumulate ? hn::LoadU(d, c + r * ldc + lanes) : hn::Zero(d);
  }
  for (I i = 0; i < k; ++i) {
    const V b0 = hn::LoadU(d, b + i * ldb);
    const V b1 = hn::LoadU(d, b + i * ldb + lanes);
    for (int r = 0; r < kRows; ++r) {
      const V x = hn::Set(d, a[r * lda + i]);
      left[r] = hn::MulAdd(x, b0, left[r]);
      right[r] = hn::MulAdd(x, b1, right[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    hn::StoreU(left[r], d, c + r * ldc);
    hn::StoreU(right[r], d, c + r * ldc + lanes);
  }
}

/// The same, one vector wide: for the odd vector at the end of a row.
template <int kRows>
HWY_INLINE void column_nn(I k, const float* HWY_RESTRICT a, I lda, const float* HWY_RESTRICT b, I ldb,
                          float* HWY_RESTRICT c, I ldc, bool accumulate) {
  const D d;
  V sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = accumulate ? hn::LoadU(d, c + r * ldc) : hn::Zero(d);
  for (I i = 0; i < k; ++i) {
    const V b0 = hn::LoadU(d, b + i * ldb);
    for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(hn::Set(d, a[r * lda + i]), b0, sum[r]);
  }
  for (int r = 0; r < kRows; ++r) hn::StoreU(sum[r], d, c + r * ldc);
}

template <int kRows>
HWY_INLINE void rows_nn(I width, I k, const float* a, I lda, const float* b, I ldb, float* c, I ldc, bool accumulate) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  I n = 0;
  for (; n + 2 * lanes <= width; n += 2 * lanes) block_nn<kRows>(k, a, lda, b + n, ldb, c + n, ldc, accumulate);
  for (; n < width; n += lanes) column_nn<kRows>(k, a, lda, b + n, ldb, c + n, ldc, accumulate);
}

// Rows in blocks of 6, then 4, then the rest: 6 x 2 vectors are the 12 accumulators of the head comment.
void GemmNn(I m, I width, I k, const float* a, I lda, const float* b, I ldb, float* c, I ldc, bool accumulate) {
  for (; m >= 6; m -= 6, a += 6 * lda, c += 6 * ldc) rows_nn<6>(width, k, a, lda, b, ldb, c, ldc, accumulate);
  if (m >= 4) {
    rows_nn<4>(width, k, a, lda, b, ldb, c, ldc, accumulate);
    m -= 4, a += 4 * lda, c += 4 * ldc;
  }
  if (m == 3) rows_nn<3>(width, k, a, lda, b, ldb, c, ldc, accumulate);
  if (m == 2) rows_nn<2>(width, k, a, lda, b, ldb, c, ldc, accumulate);
  if (m == 1) rows_nn<1>(width, k, a, lda, b, ldb, c, ldc, accumulate);
}

/// c[kRows, kVectors registers] += a[M, kRows]^T b[M, kVectors registers]
template <int kRows, int kVectors>
HWY_INLINE void block_tn(I m, const float* HWY_RESTRICT a, I lda, const float* HWY_RESTRICT b, I ldb,
                         float* HWY_RESTRICT c, I ldc) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kVectors; ++j) sum[r][j] = hn::LoadU(d, c + r * ldc + j * lanes);
  for (I i = 0; i < m; ++i) {
    V y[kVectors];
    for (int j = 0; j < kVectors; ++j) y[j] = hn::LoadU(d, b + i * ldb + j * lanes);
    for (int r = 0; r < kRows; ++r) {
      const V x = hn::Set(d, a[i * lda + r]);
      for (int j = 0; j < kVectors; ++j) sum[r][j] = hn::MulAdd(x, y[j], sum[r][j]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kVectors; ++j) hn::StoreU(sum[r][j], d, c + r * ldc + j * lanes);
}

/// All rows of c for one strip of columns, so that the strip of b stays in the first-level cache.
template <int kVectors>
HWY_INLINE void strip_tn(I m, I k, const float* a, I lda, const float* b, I ldb, float* c, I ldc) {
  for (; k >= 6; k -= 6, a += 6, c += 6 * ldc) block_tn<6, kVectors>(m, a, lda, b, ldb, c, ldc);
  if (k >= 4) {
    block_tn<4, kVectors>(m, a, lda, b, ldb, c, ldc);
    k -= 4, a += 4, c += 4 * ldc;
  }
  if (k == 3) block_tn<3, kVectors>(m, a, lda, b, ldb, c, ldc);
  if (k == 2) block_tn<2, kVectors>(m, a, lda, b, ldb, c, ldc);
  if (k == 1) block_tn<1, kVectors>(m, a, lda, b, ldb, c, ldc);
}

void GemmTnAdd(I m, I width, I k, const float* a, I lda, const float* b, I ldb, float* c, I ldc) {
  const I lanes = static_cast<I>(hn::Lanes(D()));
  I n = 0;
  for (; n + 2 * lanes <= width; n += 2 * lanes) strip_tn<2>(m, k, a, lda, b + n, ldb, c + n, ldc);
  for (; n < width; n += lanes) strip_tn<1>(m, k, a, lda, b + n, ldb, c + n, ldc);
}

// Sums stay in vector lanes (partial): the horizontal sum is left to SumLanes(), once for all tiles of columns.
template <int kRows, int kCols>
HWY_INLINE void block_nt(I width, const float* HWY_RESTRICT a, I lda, const float* HWY_RESTRICT b, I ldb,
                         float* HWY_RESTRICT partial, I row_stride) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum[kRows][kCols];
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kCols; ++c) sum[r][c] = hn::LoadU(d, partial + r * row_stride + c * kPad);
  for (I n = 0; n < width; n += lanes) {
    V x[kRows];
    for (int r = 0; r < kRows; ++r) x[r] = hn::LoadU(d, a + r * lda + n);
    for (int c = 0; c < kCols; ++c) {
      const V y = hn::LoadU(d, b + c * ldb + n);
      for (int r = 0; r < kRows; ++r) sum[r][c] = hn::MulAdd(x[r], y, sum[r][c]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kCols; ++c) hn::StoreU(sum[r][c], d, partial + r * row_stride + c * kPad);
}

template <int kRows>
HWY_INLINE void rows_nt(I width, I k, const float* a, I lda, const float* b, I ldb, float* partial, I row_stride) {
  for (; k >= 4; k -= 4, b += 4 * ldb, partial += 4 * kPad)
    block_nt<kRows, 4>(width, a, lda, b, ldb, partial, row_stride);
  if (k == 3) block_nt<kRows, 3>(width, a, lda, b, ldb, partial, row_stride);
  if (k == 2) block_nt<kRows, 2>(width, a, lda, b, ldb, partial, row_stride);
  if (k == 1) block_nt<kRows, 1>(width, a, lda, b, ldb, partial, row_stride);
}

void GemmNtLanes(I m, I width, I k, const float* a, I lda, const float* b, I ldb, float* partial) {
  const I row_stride = k * kPad;
  for (; m >= 4; m -= 4, a += 4 * lda, partial += 4 * row_stride)
    rows_nt<4>(width, k, a, lda, b, ldb, partial, row_stride);
  if (m == 3) rows_nt<3>(width, k, a, lda, b, ldb, partial, row_stride);
  if (m == 2) rows_nt<2>(width, k, a, lda, b, ldb, partial, row_stride);
  if (m == 1) rows_nt<1>(width, k, a, lda, b, ldb, partial, row_stride);
}

void SumLanes(I n, const float* partial, float* out) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  for (I i = 0; i < n; ++i) {
    V sum = hn::LoadU(d, partial + i * kPad);
    for (I j = lanes; j < kPad; j += lanes) sum = hn::Add(sum, hn::LoadU(d, partial + i * kPad + j));
    out[i] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

/// kVectors registers of out at a time.
/// Rows of the matrix are scattered: each is read once, its sum kept in registers.
template <int kVectors>
HWY_INLINE void gather_block(I n, const std::int32_t* index, const float* values, const float* matrix, I stride,
                             const float* start, float* out) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum[kVectors];
  for (int i = 0; i < kVectors; ++i) sum[i] = start ? hn::LoadU(d, start + i * lanes) : hn::Zero(d);
  for (I j = 0; j < n; ++j) {
    const float* row = matrix + index[j] * stride;
    const V x = hn::Set(d, values[j]);
    for (int i = 0; i < kVectors; ++i) sum[i] = hn::MulAdd(x, hn::LoadU(d, row + i * lanes), sum[i]);
  }
  for (int i = 0; i < kVectors; ++i) hn::StoreU(sum[i], d, out + i * lanes);
}

void GatherSum(I n, const std::int32_t* index, const float* values, const float* matrix, I stride, I width,
               const float* start, float* out) {
  const I lanes = static_cast<I>(hn::Lanes(D()));
  I at = 0;
  const auto from = [&] { return start ? start + at : nullptr; };
  for (; at + 4 * lanes <= width; at += 4 * lanes)
    gather_block<4>(n, index, values, matrix + at, stride, from(), out + at);
  for (; at + 2 * lanes <= width; at += 2 * lanes)
    gather_block<2>(n, index, values, matrix + at, stride, from(), out + at);
  for (; at < width; at += lanes) gather_block<1>(n, index, values, matrix + at, stride, from(), out + at);
}

const char* InstructionSet() { return hwy::TargetName(HWY_TARGET); }

}  // namespace clary::numeric::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::numeric {
HWY_EXPORT(GemmNn);
HWY_EXPORT(GemmTnAdd);
HWY_EXPORT(GemmNtLanes);
HWY_EXPORT(SumLanes);
HWY_EXPORT(GatherSum);
HWY_EXPORT(InstructionSet);

void gemm_nn(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
             std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(GemmNn)(m, width, k, a, lda, b, ldb, c, ldc, accumulate);
}
void gemm_tn_add(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
                 std::int64_t ldb, float* c, std::int64_t ldc) {
  HWY_DYNAMIC_DISPATCH(GemmTnAdd)(m, width, k, a, lda, b, ldb, c, ldc);
}
void gemm_nt_lanes(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
                   std::int64_t ldb, float* partial) {
  HWY_DYNAMIC_DISPATCH(GemmNtLanes)(m, width, k, a, lda, b, ldb, partial);
}
void sum_lanes(std::int64_t n, const float* partial, float* out) { HWY_DYNAMIC_DISPATCH(SumLanes)(n, partial, out); }
void gather_sum(std::int64_t n, const std::int32_t* index, const float* values, const float* matrix,
                std::int64_t stride, std::int64_t width, const float* start, float* out) {
  HWY_DYNAMIC_DISPATCH(GatherSum)(n, index, values, matrix, stride, width, start, out);
}
const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(InstructionSet)(); }
}  // namespace clary::numeric
#endif
