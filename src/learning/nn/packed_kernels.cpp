// SPDX-License-Identifier: Apache-2.0
// Products in float32: blocks of up to 6 rows, whose sums stay in registers while the panel's inputs run. With 32
// registers a block is 4 registers wide (24 sums), with 16 it is 2 wide (12 sums).
#include "learning/nn/packed_kernels.h"

// Highway compiles this file once for each instruction set and chooses at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "learning/nn/packed_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::nn::packed::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
using I = std::int64_t;

// Lower targets are better ones in Highway; AVX3 and what is better have 32 registers.
constexpr int kVectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2;
constexpr int kMaxRows = 6;

struct Float32 {
  using Word = float;
  static constexpr I kWords = kPanel;  // of one input
  /// Strips of a panel, and the column of a strip's vector.
  static I column(I strip, int vector) { return (strip * kVectors + vector) * static_cast<I>(hn::Lanes(D())); }
  static HWY_INLINE void load(const Word* input, I strip, V* out) {
    const D d;
    for (int v = 0; v < kVectors; ++v) out[v] = hn::LoadU(d, input + column(strip, v));
  }
};

struct BFloat16 {
  using Word = std::uint32_t;
  static constexpr I kWords = kPanel / 2;
  static I word(I strip, int pair) { return (strip * kVectors / 2 + pair) * static_cast<I>(hn::Lanes(D())); }
  static I column(I strip, int vector) {
    const I w = word(strip, vector / 2);
    return w / 16 * 32 + w % 16 + (vector % 2) * 16;
  }
  static HWY_INLINE void load(const Word* input, I strip, V* out) {
    const D d;
    const hn::RebindToUnsigned<D> du;
    for (int p = 0; p < kVectors / 2; ++p) {
      const auto both = hn::LoadU(du, input + word(strip, p));
      out[2 * p] = hn::BitCast(d, hn::ShiftLeft<16>(both));
      out[2 * p + 1] = hn::BitCast(d, hn::And(both, hn::Set(du, 0xFFFF0000U)));
    }
  }
};

template <class Weights, int kRows>
HWY_INLINE void strip_product(const Panel& panel, I strip, const float* HWY_RESTRICT x, I x_stride,
                              float* HWY_RESTRICT y, I y_stride) {
  const D d;
  V sum[kRows][kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const I column = Weights::column(strip, v);
    const V start = panel.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, panel.bias + column);
    for (int r = 0; r < kRows; ++r)
      sum[r][v] = panel.accumulate ? hn::Add(start, hn::LoadU(d, y + r * y_stride + column)) : start;
  }
  const auto* input = static_cast<const typename Weights::Word*>(panel.weights);
  for (I i = 0; i < panel.inputs; ++i, input += Weights::kWords) {
    V w[kVectors];
    Weights::load(input, strip, w);
    for (int r = 0; r < kRows; ++r) {
      const V value = hn::Set(d, x[r * x_stride + i]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(value, w[v], sum[r][v]);
    }
  }
  for (int v = 0; v < kVectors; ++v)
    for (int r = 0; r < kRows; ++r) hn::StoreU(sum[r][v], d, y + r * y_stride + Weights::column(strip, v));
}

template <class Weights, int kRows>
HWY_INLINE void block_product(const Panel& panel, const float* x, I x_stride, float* y, I y_stride) {
  const I strips = kPanel / (kVectors * static_cast<I>(hn::Lanes(D())));
  for (I strip = 0; strip < strips; ++strip) strip_product<Weights, kRows>(panel, strip, x, x_stride, y, y_stride);
}

template <class Weights>
HWY_INLINE void panel_product(const Panel& panel, I rows, const float* x, I x_stride, float* y, I y_stride) {
  for (; rows >= kMaxRows; rows -= kMaxRows, x += kMaxRows * x_stride, y += kMaxRows * y_stride)
    block_product<Weights, kMaxRows>(panel, x, x_stride, y, y_stride);
  if (rows == 5) block_product<Weights, 5>(panel, x, x_stride, y, y_stride);
  if (rows == 4) block_product<Weights, 4>(panel, x, x_stride, y, y_stride);
  if (rows == 3) block_product<Weights, 3>(panel, x, x_stride, y, y_stride);
  if (rows == 2) block_product<Weights, 2>(panel, x, x_stride, y, y_stride);
  if (rows == 1) block_product<Weights, 1>(panel, x, x_stride, y, y_stride);
}

void MultiplyFloat32(const Panel& panel, I rows, const float* x, I x_stride, float* y, I y_stride) {
  panel_product<Float32>(panel, rows, x, x_stride, y, y_stride);
}
void MultiplyBFloat16(const Panel& panel, I rows, const float* x, I x_stride, float* y, I y_stride) {
  panel_product<BFloat16>(panel, rows, x, x_stride, y, y_stride);
}

}  // namespace clary::nn::packed::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::nn::packed {
HWY_EXPORT(MultiplyFloat32);
HWY_EXPORT(MultiplyBFloat16);

void multiply_float32(const Panel& panel, std::int64_t rows, const float* x, std::int64_t x_stride, float* y,
                      std::int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyFloat32)(panel, rows, x, x_stride, y, y_stride);
}
void multiply_bfloat16(const Panel& panel, std::int64_t rows, const float* x, std::int64_t x_stride, float* y,
                       std::int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyBFloat16)(panel, rows, x, x_stride, y, y_stride);
}
}  // namespace clary::nn::packed
#endif
