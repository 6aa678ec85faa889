// SPDX-License-Identifier: Apache-2.0
// Rows of the two matrices against one vector h: scores, updates, mean and its update. Included once per instruction
// set, inside Highway's foreach_target. Rows may be the same memory twice; then the later update sees the earlier one.
#if defined(CLARY_BLAZINGTEXT_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef CLARY_BLAZINGTEXT_ROWS_INL
#undef CLARY_BLAZINGTEXT_ROWS_INL
#else
#define CLARY_BLAZINGTEXT_ROWS_INL
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <span>

#include "algorithms/blazingtext/kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;

constexpr int kBlock = 6;  // output rows side by side: one true word and the usual five negatives

using V4 = hn::Vec<hn::FixedTag<float, 4>>;

/// Sums of lanes 0, 4, 8 ..., of lanes 1, 5, 9, ...
template <class Tag>
HWY_INLINE V4 fold_to_four(Tag, hn::Vec<Tag> v) {
  if constexpr (hn::MaxLanes(Tag()) == 4) {
    return v;
  } else {
    const hn::Half<Tag> half;
    return fold_to_four(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// The sums of the lanes of four vectors: 13 instructions where four separate sums take over 30.
HWY_INLINE V4 sums_of_lanes(V a, V b, V c, V e) {
  const D d;
  const hn::Repartition<double, D> pairs;
  const V ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));  // a b a b in every four lanes
  const V ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const auto first = hn::InterleaveLower(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
  const auto second = hn::InterleaveUpper(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
  return fold_to_four(d, hn::Add(hn::BitCast(d, first), hn::BitCast(d, second)));
}

/// out[r] = sum of the lanes of sum[r], r < kRows
template <int kRows>
HWY_INLINE void store_sums(const V* sum, float* HWY_RESTRICT out) {
  const D d;
  const hn::FixedTag<float, 4> four;
  int r = 0;
  for (; r + 4 <= kRows; r += 4) hn::StoreU(sums_of_lanes(sum[r], sum[r + 1], sum[r + 2], sum[r + 3]), four, out + r);
  const int left = kRows - r;
  if (left == 0) return;
  float rest[4];
  const V zero = hn::Zero(d);
  hn::StoreU(sums_of_lanes(sum[r], left > 1 ? sum[r + 1] : zero, left > 2 ? sum[r + 2] : zero, zero), four, rest);
  for (int i = 0; i < left; ++i) out[r + i] = rest[i];
}

/// scores[r] = rows[r] . h
template <int kRows>
HWY_INLINE void dots(I stride, const float* HWY_RESTRICT h, float* const* rows, float* HWY_RESTRICT scores) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = hn::Zero(d);
  for (I n = 0; n < stride; n += lanes) {
    const V x = hn::Load(d, h + n);
    for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(x, hn::Load(d, rows[r] + n), sum[r]);
  }
  store_sums<kRows>(sum, scores);
}

/// g = (g +) sum_r a[r] rows[r];  rows[r] += a[r] h
template <int kRows>
HWY_INLINE void learn(I stride, const float* HWY_RESTRICT h, float* const* rows, const float* HWY_RESTRICT a,
                      float* HWY_RESTRICT g, bool accumulate) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V step[kRows];
  for (int r = 0; r < kRows; ++r) step[r] = hn::Set(d, a[r]);
  for (I n = 0; n < stride; n += lanes) {
    const V x = hn::Load(d, h + n);
    V sum = accumulate ? hn::Load(d, g + n) : hn::Zero(d);
    for (int r = 0; r < kRows; ++r) {
      const V row = hn::Load(d, rows[r] + n);
      sum = hn::MulAdd(step[r], row, sum);
      hn::Store(hn::MulAdd(step[r], x, row), d, rows[r] + n);
    }
    hn::Store(sum, d, g + n);
  }
}

/// Calls f<number of rows>(first row) for `rows` rows in blocks.
template <class F>
HWY_INLINE void in_blocks(std::int32_t rows, F&& f) {
  std::int32_t at = 0;
  for (; rows - at >= kBlock; at += kBlock) f.template operator()<kBlock>(at);
  switch (rows - at) {
    case 5:
      return f.template operator()<5>(at);
    case 4:
      return f.template operator()<4>(at);
    case 3:
      return f.template operator()<3>(at);
    case 2:
      return f.template operator()<2>(at);
    case 1:
      return f.template operator()<1>(at);
    default:
      return;
  }
}

/// Asks for a row, to be written, ahead of need. x86: by name, since the compiler's own prefetch asks for reading
/// unless it may use the instruction, so that every line that another thread wrote last would cross over twice; and
/// since GCC 12 takes a function that only prefetches for one without effect and drops the call.
HWY_INLINE void fetch(const float* row, I stride) {
  for (I n = 0; n < stride; n += 16) {
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(row[n]));
#else
    __builtin_prefetch(row + n, 1, 3);
    __asm__ volatile("");
#endif
  }
}

/// kColumns vectors of the mean of rows.
template <int kColumns>
HWY_INLINE void gather_columns(std::span<const std::int32_t> ids, const float* matrix, I stride,
                               float* HWY_RESTRICT h) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum[kColumns];
  for (int c = 0; c < kColumns; ++c) sum[c] = hn::Zero(d);
  for (const std::int32_t id : ids) {
    const float* row = matrix + id * stride;
    for (int c = 0; c < kColumns; ++c) sum[c] = hn::Add(sum[c], hn::Load(d, row + c * lanes));
  }
  const V factor = hn::Set(d, 1.0f / static_cast<float>(ids.size()));
  for (int c = 0; c < kColumns; ++c) hn::Store(hn::Mul(sum[c], factor), d, h + c * lanes);
}

/// h = mean of the rows of E
HWY_INLINE void gather(std::span<const std::int32_t> ids, const Weights& w, float* HWY_RESTRICT h) {
  const I lanes = static_cast<I>(hn::Lanes(D()));
  I n = 0;
  for (; n + 8 * lanes <= w.stride; n += 8 * lanes) gather_columns<8>(ids, w.input + n, w.stride, h + n);
  for (; n + 4 * lanes <= w.stride; n += 4 * lanes) gather_columns<4>(ids, w.input + n, w.stride, h + n);
  for (; n + 2 * lanes <= w.stride; n += 2 * lanes) gather_columns<2>(ids, w.input + n, w.stride, h + n);
  for (; n < w.stride; n += lanes) gather_columns<1>(ids, w.input + n, w.stride, h + n);
}

/// The rows of E += factor g
HWY_INLINE void scatter(std::span<const std::int32_t> ids, float factor, const Weights& w, float* HWY_RESTRICT g) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  if (factor != 1)
    for (I n = 0; n < w.stride; n += lanes) hn::Store(hn::Mul(hn::Set(d, factor), hn::Load(d, g + n)), d, g + n);
  for (const std::int32_t id : ids) {
    float* row = w.input + id * w.stride;
    for (I n = 0; n < w.stride; n += lanes) hn::Store(hn::Add(hn::Load(d, row + n), hn::Load(d, g + n)), d, row + n);
  }
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
