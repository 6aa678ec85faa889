// SPDX-License-Identifier: Apache-2.0
// Products in float32: blocks of up to 6 rows, whose sums stay in registers while the panel's inputs run. With 32
// registers a block is 4 registers wide (24 sums), with 16 it is 2 wide (12 sums). All blocks but the first find the
// panel in the second-level cache; meanwhile they call the next panel there.
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
constexpr I kLineBytes = 64;

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

/// y[kRows, kVectors registers of a panel], strip `strip` of that width.
/// @param ahead  [inputs] cache lines that will be wanted in the second-level cache
template <class Weights, int kRows>
HWY_INLINE void strip_product(const Panel& panel, I strip, const float* HWY_RESTRICT x, I x_stride,
                              float* HWY_RESTRICT y, I y_stride, const char* ahead) {
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
    __builtin_prefetch(ahead + i * kLineBytes, 0, 2);
    for (int r = 0; r < kRows; ++r) {
      const V value = hn::Set(d, x[r * x_stride + i]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(value, w[v], sum[r][v]);
    }
  }
  for (int v = 0; v < kVectors; ++v)
    for (int r = 0; r < kRows; ++r) hn::StoreU(sum[r][v], d, y + r * y_stride + Weights::column(strip, v));
}

/// kRows rows of a panel, strip by strip.
template <class Weights, int kRows>
HWY_INLINE void block_product(const Panel& panel, const float* x, I x_stride, float* y, I y_stride, const char* ahead) {
  const I strips = kPanel / (kVectors * static_cast<I>(hn::Lanes(D())));
  for (I strip = 0; strip < strips; ++strip)
    strip_product<Weights, kRows>(panel, strip, x, x_stride, y, y_stride, ahead);
}

/// The block of `rows` rows, kRows or fewer.
template <class Weights, int kRows>
HWY_INLINE void block_of(I rows, const Panel& panel, const float* x, I x_stride, float* y, I y_stride,
                         const char* ahead) {
  if (rows == kRows) return block_product<Weights, kRows>(panel, x, x_stride, y, y_stride, ahead);
  if constexpr (kRows > 1) block_of<Weights, kRows - 1>(rows, panel, x, x_stride, y, y_stride, ahead);
}

/// Rows in as few blocks as can be, of nearly the same size.
template <class Weights>
HWY_INLINE void panel_product(const Panel& panel, I rows, const float* x, I x_stride, float* y, I y_stride) {
  const auto* weights = static_cast<const char*>(panel.weights);
  const I bytes = panel.inputs * Weights::kWords * static_cast<I>(sizeof(typename Weights::Word));
  const I blocks = (rows + kMaxRows - 1) / kMaxRows;
  for (I block = 0; block < blocks; ++block) {
    const I n = (rows + blocks - block - 1) / (blocks - block), called = (block - 1) * panel.inputs * kLineBytes;
    const char* ahead = block > 0 && called < bytes ? weights + bytes + called : weights;
    block_of<Weights, kMaxRows>(n, panel, x, x_stride, y, y_stride, ahead);
    rows -= n, x += n * x_stride, y += n * y_stride;
  }
}

/// to[0..4, 0..4] = from[0..4, 0..4] transposed.
HWY_INLINE void transpose_4x4(const float* from, I stride, float* to, I to_stride) {
  const hn::FixedTag<float, 4> d;
  const auto a0 = hn::LoadU(d, from), a1 = hn::LoadU(d, from + stride);
  const auto a2 = hn::LoadU(d, from + 2 * stride), a3 = hn::LoadU(d, from + 3 * stride);
  const auto low01 = hn::InterleaveLower(d, a0, a1), low23 = hn::InterleaveLower(d, a2, a3);
  const auto high01 = hn::InterleaveUpper(d, a0, a1), high23 = hn::InterleaveUpper(d, a2, a3);
  hn::StoreU(hn::ConcatLowerLower(d, low23, low01), d, to);
  hn::StoreU(hn::ConcatUpperUpper(d, low23, low01), d, to + to_stride);
  hn::StoreU(hn::ConcatLowerLower(d, high23, high01), d, to + 2 * to_stride);
  hn::StoreU(hn::ConcatUpperUpper(d, high23, high01), d, to + 3 * to_stride);
}

// Columns in blocks, so that the lines written to stay in the first-level cache until they are whole.
void Transpose(I rows, I columns, const float* from, I stride, float* to, I to_stride) {
  constexpr I kColumns = 64;
  for (I begin = 0; begin < columns; begin += kColumns) {
    const I end = begin + kColumns < columns ? begin + kColumns : columns;
    I r = 0;
    for (; r + 4 <= rows; r += 4) {
      I c = begin;
      for (; c + 4 <= end; c += 4) transpose_4x4(from + r * stride + c, stride, to + c * to_stride + r, to_stride);
      for (; c < end; ++c)
        for (I j = r; j < r + 4; ++j) to[c * to_stride + j] = from[j * stride + c];
    }
    for (; r < rows; ++r)
      for (I c = begin; c < end; ++c) to[c * to_stride + r] = from[r * stride + c];
  }
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
HWY_EXPORT(Transpose);
HWY_EXPORT(MultiplyFloat32);
HWY_EXPORT(MultiplyBFloat16);

void transpose(std::int64_t rows, std::int64_t columns, const float* from, std::int64_t stride, float* to,
               std::int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(Transpose)(rows, columns, from, stride, to, to_stride);
}
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
