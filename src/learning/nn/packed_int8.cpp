// SPDX-License-Identifier: Apache-2.0
// Products in 8 bits by AVX-512 VNNI, whose instruction vpdpbusd multiplies unsigned by signed bytes: x has a zero
// point, and what it adds to a sum (kInt8Zero times the sum of the weights) is taken off at the end. Intrinsics,
// because Highway 1.0 has no such product.
#include <algorithm>

#include "base/error.h"
#include "learning/nn/packed_kernels.h"
#include "learning/nn/packed_matrix.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 warns of its own header's deliberately undefined registers.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

#define CLARY_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#endif

namespace clary::nn {

bool has_int8_products() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

namespace packed {
#if defined(__x86_64__)
namespace {

constexpr int kVectors = static_cast<int>(kPanel) / 16, kMaxRows = 6;

CLARY_VNNI __mmask16 first_lanes(std::int64_t n) {
  return static_cast<__mmask16>((1U << std::min<std::int64_t>(n, 16)) - 1);
}

// Loops over sums are unrolled and the function is inlined, so that all sums stay in registers.
template <int kRows>
CLARY_VNNI inline __attribute__((always_inline)) void store(const Int8Panel& panel,
                                                            const __m512i (&sum)[kRows][kVectors], const float* x_scale,
                                                            float* y, std::int64_t y_stride) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const __m512 scale = _mm512_loadu_ps(panel.scales + v * 16);
    const __m512i offset = _mm512_loadu_si512(panel.offsets + v * 16);
    const __m512 bias = panel.bias == nullptr ? _mm512_setzero_ps() : _mm512_loadu_ps(panel.bias + v * 16);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      float* at = y + r * y_stride + v * 16;
      const __m512 exact = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][v], offset));
      const __m512 start = panel.accumulate ? _mm512_add_ps(bias, _mm512_loadu_ps(at)) : bias;
      _mm512_storeu_ps(at, _mm512_fmadd_ps(exact, _mm512_mul_ps(scale, _mm512_set1_ps(x_scale[r])), start));
    }
  }
}

/// sum += four products in each lane: vpdpbusd. Written in assembly because GCC 12 keeps the intrinsic's sums in
/// memory.
CLARY_VNNI inline __attribute__((always_inline)) void add_products(__m512i x, __m512i w, __m512i& sum) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
}

template <int kRows>
CLARY_VNNI void block_product(const Int8Panel& panel, const std::uint8_t* x, const float* x_scale, float* y,
                              std::int64_t y_stride) {
  const std::int64_t row = int8_row(panel.inputs);
  __m512i sum[kRows][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_setzero_si512();
  const std::int8_t* weights = panel.weights;
  for (std::int64_t i = 0; i < row; i += 4, weights += 4 * kPanel) {
    __m512i w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) w[v] = _mm512_loadu_si512(weights + v * 64);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      std::int32_t four;
      __builtin_memcpy(&four, x + r * row + i, 4);
      const __m512i value = _mm512_set1_epi32(four);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) add_products(value, w[v], sum[r][v]);
    }
  }
  store<kRows>(panel, sum, x_scale, y, y_stride);
}

}  // namespace

CLARY_VNNI float quantise_row(std::int64_t inputs, const float* x, std::uint8_t* out) {
  __m512 largest = _mm512_setzero_ps();
  for (std::int64_t i = 0; i < inputs; i += 16)
    largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(first_lanes(inputs - i), x + i)));
  const float top = _mm512_reduce_max_ps(largest);
  const float scale = top > 0 ? top / 127 : 1.0F;
  const __m512 inverse = _mm512_set1_ps(1 / scale);
  const __m512i zero = _mm512_set1_epi32(kInt8Zero);
  for (std::int64_t i = 0; i < int8_row(inputs); i += 16) {
    const __m512 values = _mm512_maskz_loadu_ps(first_lanes(inputs - i), x + i);
    const __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(values, inverse)), zero);
    _mm512_mask_cvtusepi32_storeu_epi8(out + i, first_lanes(int8_row(inputs) - i),
                                       _mm512_max_epi32(whole, _mm512_setzero_si512()));
  }
  return scale;
}

CLARY_VNNI void multiply_int8(const Int8Panel& panel, std::int64_t rows, const std::uint8_t* x, const float* x_scale,
                              float* y, std::int64_t y_stride) {
  const std::int64_t row = int8_row(panel.inputs);
  for (; rows >= kMaxRows; rows -= kMaxRows, x += kMaxRows * row, x_scale += kMaxRows, y += kMaxRows * y_stride)
    block_product<kMaxRows>(panel, x, x_scale, y, y_stride);
  if (rows == 5) block_product<5>(panel, x, x_scale, y, y_stride);
  if (rows == 4) block_product<4>(panel, x, x_scale, y, y_stride);
  if (rows == 3) block_product<3>(panel, x, x_scale, y, y_stride);
  if (rows == 2) block_product<2>(panel, x, x_scale, y, y_stride);
  if (rows == 1) block_product<1>(panel, x, x_scale, y, y_stride);
}

#else

float quantise_row(std::int64_t, const float*, std::uint8_t*) {
  throw Error(Kind::kInternal, "8-bit product on a CPU without it");
}
void multiply_int8(const Int8Panel&, std::int64_t, const std::uint8_t*, const float*, float*, std::int64_t) {
  throw Error(Kind::kInternal, "8-bit product on a CPU without it");
}

#endif
}  // namespace packed
}  // namespace clary::nn
