// SPDX-License-Identifier: Apache-2.0
// One candidate with one output: products of a matrix of rows with a vector, both ways.
#include "algorithms/linear_learner/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/linear_learner/kernels/row_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::linear_learner::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;

/// Sums of four vectors over each 128-bit block: block b of the result is (a, b, c, d) of that block.
/// The first step of a transpose-and-add of four vectors.
HWY_INLINE V sum_blocks(D d, V v0, V v1, V v2, V v3) {
  const hn::Repartition<double, D> d2;
  const V s = hn::Add(hn::InterleaveLower(d, v0, v1), hn::InterleaveUpper(d, v0, v1));
  const V t = hn::Add(hn::InterleaveLower(d, v2, v3), hn::InterleaveUpper(d, v2, v3));
  const auto s2 = hn::BitCast(d2, s), t2 = hn::BitCast(d2, t);
  return hn::Add(hn::BitCast(d, hn::InterleaveLower(d2, s2, t2)), hn::BitCast(d, hn::InterleaveUpper(d2, s2, t2)));
}

/// out[i] = sum of the lanes of v[i], i < kLanes: shared work of kLanes horizontal sums.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr I kTogether = 16;
HWY_INLINE void store_sums(D d, const V* v, float* out) {
  const V a = sum_blocks(d, v[0], v[1], v[2], v[3]), b = sum_blocks(d, v[4], v[5], v[6], v[7]);
  const V c = sum_blocks(d, v[8], v[9], v[10], v[11]), e = sum_blocks(d, v[12], v[13], v[14], v[15]);
  const V ac = hn::Add(hn::ConcatLowerLower(d, c, a), hn::ConcatUpperUpper(d, c, a));  // blocks a a c c, to be added
  const V be = hn::Add(hn::ConcatLowerLower(d, e, b), hn::ConcatUpperUpper(d, e, b));
  hn::StoreU(hn::OddEvenBlocks(hn::Add(be, hn::SwapAdjacentBlocks(be)), hn::Add(ac, hn::SwapAdjacentBlocks(ac))), d,
             out);
}
#elif HWY_TARGET == HWY_AVX2
constexpr I kTogether = 8;
HWY_INLINE void store_sums(D d, const V* v, float* out) {
  const V a = sum_blocks(d, v[0], v[1], v[2], v[3]), b = sum_blocks(d, v[4], v[5], v[6], v[7]);
  hn::StoreU(hn::Add(hn::ConcatLowerLower(d, b, a), hn::ConcatUpperUpper(d, b, a)), d, out);
}
#else
constexpr I kTogether = 4;
HWY_INLINE void store_sums(D d, const V* v, float* out) {
  for (I i = 0; i < kTogether; ++i) out[i] = hn::GetLane(hn::SumOfLanes(d, v[i]));
}
#endif

/// Lane-wise products of one row with w, added up in two chains. stride is a multiple of kPad, so of the lanes.
HWY_INLINE V row_sum(D d, const float* HWY_RESTRICT x, I stride, const float* HWY_RESTRICT w) {
  const I lanes = static_cast<I>(hn::Lanes(d));
  V even = hn::Mul(hn::LoadU(d, w), hn::LoadU(d, x)), odd = hn::Zero(d);
  I c = lanes;
  for (; c + 2 * lanes <= stride; c += 2 * lanes) {
    odd = hn::MulAdd(hn::LoadU(d, w + c), hn::LoadU(d, x + c), odd);
    even = hn::MulAdd(hn::LoadU(d, w + c + lanes), hn::LoadU(d, x + c + lanes), even);
  }
  if (c < stride) odd = hn::MulAdd(hn::LoadU(d, w + c), hn::LoadU(d, x + c), odd);
  return hn::Add(even, odd);
}

void DotRows(I n, const float* HWY_RESTRICT x, I stride, const float* HWY_RESTRICT w, float* HWY_RESTRICT out) {
  const D d;
  I i = 0;
  for (; i + kTogether <= n; i += kTogether, x += kTogether * stride) {
    // Row after row, as they lie in memory: the rows rarely come from the caches, and prefetching wants them in order.
    V sum[kTogether];
    for (I r = 0; r < kTogether; ++r) sum[r] = row_sum(d, x + r * stride, stride, w);
    store_sums(d, sum, out + i);
  }
  for (; i < n; ++i, x += stride) {
    out[i] = hn::GetLane(hn::SumOfLanes(d, row_sum(d, x, stride, w)));
  }
}

/// kVectors registers of w. Two sums each, so that the chain of additions is half as long.
template <int kVectors>
HWY_INLINE void add_strip(I n, const float* HWY_RESTRICT x, I stride, const float* HWY_RESTRICT factor,
                          float* HWY_RESTRICT w) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V even[kVectors], odd[kVectors];
  for (int v = 0; v < kVectors; ++v) even[v] = hn::LoadU(d, w + v * lanes), odd[v] = hn::Zero(d);
  I i = 0;
  for (; i + 2 <= n; i += 2) {
    const V a = hn::Set(d, factor[i]), b = hn::Set(d, factor[i + 1]);
    const float* at = x + i * stride;
    for (int v = 0; v < kVectors; ++v) {
      even[v] = hn::MulAdd(a, hn::LoadU(d, at + v * lanes), even[v]);
      odd[v] = hn::MulAdd(b, hn::LoadU(d, at + stride + v * lanes), odd[v]);
    }
  }
  if (i < n) {
    const V a = hn::Set(d, factor[i]);
    for (int v = 0; v < kVectors; ++v) even[v] = hn::MulAdd(a, hn::LoadU(d, x + i * stride + v * lanes), even[v]);
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(hn::Add(even[v], odd[v]), d, w + v * lanes);
}

// Strips of columns whose sums stay in registers while all rows pass by.
void AddRows(I n, const float* x, I stride, const float* factor, float* w) {
  const I lanes = static_cast<I>(hn::Lanes(D()));
  I c = 0;
  for (; c + 8 * lanes <= stride; c += 8 * lanes) add_strip<8>(n, x + c, stride, factor, w + c);
  for (; c + 4 * lanes <= stride; c += 4 * lanes) add_strip<4>(n, x + c, stride, factor, w + c);
  for (; c + 2 * lanes <= stride; c += 2 * lanes) add_strip<2>(n, x + c, stride, factor, w + c);
  for (; c < stride; c += lanes) add_strip<1>(n, x + c, stride, factor, w + c);
}

float SparseDot(I n, const std::int32_t* index, const float* values, const float* vector) {
  I i = 0;
  float sum = 0;
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL  // elsewhere gathers are no faster than single loads
  const D d;
  const hn::RebindToSigned<D> di;
  const I lanes = static_cast<I>(hn::Lanes(d));
  if (n >= lanes) {
    V even = hn::Zero(d), odd = hn::Zero(d);
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
      even = hn::MulAdd(hn::LoadU(d, values + i), hn::GatherIndex(d, vector, hn::LoadU(di, index + i)), even);
      odd = hn::MulAdd(hn::LoadU(d, values + i + lanes), hn::GatherIndex(d, vector, hn::LoadU(di, index + i + lanes)),
                       odd);
    }
    if (i + lanes <= n) {
      even = hn::MulAdd(hn::LoadU(d, values + i), hn::GatherIndex(d, vector, hn::LoadU(di, index + i)), even);
      i += lanes;
    }
    sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  }
#endif
  // Two sums, so that additions do not wait for each other.
  float a = 0, b = 0;
  for (; i + 2 <= n; i += 2) {
    a += values[i] * vector[index[i]];
    b += values[i + 1] * vector[index[i + 1]];
  }
  if (i < n) a += values[i] * vector[index[i]];
  return sum + (a + b);
}

}  // namespace clary::linear_learner::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::linear_learner::kernels {
HWY_EXPORT(DotRows);
HWY_EXPORT(AddRows);
HWY_EXPORT(SparseDot);

void dot_rows(std::int64_t n, const float* x, std::int64_t stride, const float* w, float* out) {
  HWY_DYNAMIC_DISPATCH(DotRows)(n, x, stride, w, out);
}
void add_rows(std::int64_t n, const float* x, std::int64_t stride, const float* factor, float* w) {
  HWY_DYNAMIC_DISPATCH(AddRows)(n, x, stride, factor, w);
}
float sparse_dot(std::int64_t n, const std::int32_t* index, const float* values, const float* vector) {
  return HWY_DYNAMIC_DISPATCH(SparseDot)(n, index, values, vector);
}
}  // namespace clary::linear_learner::kernels
#endif
