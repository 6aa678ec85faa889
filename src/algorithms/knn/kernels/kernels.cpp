// SPDX-License-Identifier: Apache-2.0
// See kernels.h. x86-64 variants carry a target attribute each, so the file is compiled for the baseline CPU.
#include "algorithms/knn/kernels/kernels.h"

#include <array>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace clary::knn {
namespace {

// Eight running sums: enough for the compiler to keep two SSE registers (or NEON's) busy.
constexpr std::size_t kLanes = 8;

// The order of summation is fixed by this code, not chosen by the compiler (no -ffast-math), so that a variant gives
// the same distance for the same pair in every call.
template <class Term>
float summed(std::size_t width, Term term) {
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += term(i + lane);
  }
  for (std::size_t lane = 0; i < width; ++i, ++lane) sums[lane] += term(i);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

float squared_l2_portable(const float* a, const float* b, std::size_t width) {
  return summed(width, [=](std::size_t i) { return (a[i] - b[i]) * (a[i] - b[i]); });
}

float inner_product_portable(const float* a, const float* b, std::size_t width) {
  return summed(width, [=](std::size_t i) { return a[i] * b[i]; });
}

#if defined(__x86_64__)

[[gnu::target("avx2,fma")]] inline float sum_of_lanes(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

// Lanes below `left` are all ones (loaded), the rest zero; masked loads do not touch memory behind the row.
[[gnu::target("avx2,fma")]] inline __m256i tail_mask(std::size_t left) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(left)), lane);
}

[[gnu::target("avx2,fma")]] float squared_l2_avx2(const float* a, const float* b, std::size_t width) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  // Four independent sums hide the latency of the multiply-add.
  std::size_t i = 0;
  for (; i + 32 <= width; i += 32) {
    const __m256 d0 = _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
    const __m256 d1 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));
    const __m256 d2 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16));
    const __m256 d3 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24));
    s0 = _mm256_fmadd_ps(d0, d0, s0);
    s1 = _mm256_fmadd_ps(d1, d1, s1);
    s2 = _mm256_fmadd_ps(d2, d2, s2);
    s3 = _mm256_fmadd_ps(d3, d3, s3);
  }
  for (; i < width; i += 8) {
    const __m256i mask = tail_mask(width - i);
    const __m256 d = _mm256_sub_ps(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask));
    s0 = _mm256_fmadd_ps(d, d, s0);
  }
  return sum_of_lanes(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

[[gnu::target("avx2,fma")]] float inner_product_avx2(const float* a, const float* b, std::size_t width) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 32 <= width; i += 32) {
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
    s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
    s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
  }
  for (; i < width; i += 8) {
    const __m256i mask = tail_mask(width - i);
    s0 = _mm256_fmadd_ps(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask), s0);
  }
  return sum_of_lanes(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

#define CLARY_AVX512 [[gnu::target("avx512f,avx512bw,avx512vnni")]]

// Not _mm512_reduce_add_ps: its order of summation is the compiler's.
CLARY_AVX512 inline float sum_of_lanes_512(__m512 v) {
  v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, 0x4E));
  v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, 0xB1));
  v = _mm512_add_ps(v, _mm512_permute_ps(v, 0x4E));
  v = _mm512_add_ps(v, _mm512_permute_ps(v, 0xB1));
  return _mm512_cvtss_f32(v);
}

CLARY_AVX512 float squared_l2_avx512(const float* a, const float* b, std::size_t width) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 64 <= width; i += 64) {
    const __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
    const __m512 d1 = _mm512_sub_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16));
    const __m512 d2 = _mm512_sub_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32));
    const __m512 d3 = _mm512_sub_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48));
    s0 = _mm512_fmadd_ps(d0, d0, s0);
    s1 = _mm512_fmadd_ps(d1, d1, s1);
    s2 = _mm512_fmadd_ps(d2, d2, s2);
    s3 = _mm512_fmadd_ps(d3, d3, s3);
  }
  for (; i < width; i += 16) {
    const __mmask16 mask = width - i >= 16 ? __mmask16{0xFFFF} : static_cast<__mmask16>((1u << (width - i)) - 1u);
    const __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i));
    s0 = _mm512_fmadd_ps(d, d, s0);
  }
  return sum_of_lanes_512(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

CLARY_AVX512 float inner_product_avx512(const float* a, const float* b, std::size_t width) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 64 <= width; i += 64) {
    s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
    s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
    s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
    s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
  }
  for (; i < width; i += 16) {
    const __mmask16 mask = width - i >= 16 ? __mmask16{0xFFFF} : static_cast<__mmask16>((1u << (width - i)) - 1u);
    s0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), s0);
  }
  return sum_of_lanes_512(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

// The same four signed bytes in every lane, to meet the four columns of each row.
CLARY_AVX512 inline __m512i broadcast_group(const std::int8_t* weights, std::int64_t group) {
  int four;
  __builtin_memcpy(&four, weights + 4 * group, sizeof(four));
  return _mm512_set1_epi32(four);
}

// Compares estimates of 16 rows with their limits, base + norm - scale * dot <= limit + error * (slope + curve *
// error).
CLARY_AVX512 inline std::uint16_t matches(const CodeQuery& query, __m512i high, __m512i low, __m512 norm,
                                          __m512 error) {
  const __m512 dot = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), _mm512_set1_ps(128.0F), _mm512_cvtepi32_ps(low));
  const __m512 row = _mm512_fmadd_ps(norm, _mm512_set1_ps(query.norm_weight), _mm512_set1_ps(query.base));
  const __m512 estimate = _mm512_fnmadd_ps(dot, _mm512_set1_ps(query.scale), row);
  const __m512 slope = _mm512_fmadd_ps(error, _mm512_set1_ps(query.limit_curve), _mm512_set1_ps(query.limit_slope));
  const __m512 limit = _mm512_fmadd_ps(error, slope, _mm512_set1_ps(query.limit));
  // OQ: false when a side is NaN (absent rows).
  return _mm512_cmp_ps_mask(estimate, limit, _CMP_LE_OQ);
}

// One block (16 rows, one lane each) against Q queries: 2 Q dot-product instructions per 64 bytes read.
template <std::size_t Q>
CLARY_AVX512 void scan_vnni(const CodeBlocks& blocks, std::int64_t count, const CodeQuery* queries,
                            std::uint16_t* masks) {
  const std::int64_t bytes = blocks.groups * 64;
  for (std::int64_t b = 0; b < count; ++b) {
    const std::uint8_t* codes = blocks.codes + b * bytes;
    __m512i high[Q], low[Q];
    for (std::size_t q = 0; q < Q; ++q) high[q] = low[q] = _mm512_setzero_si512();
    for (std::int64_t g = 0; g < blocks.groups; ++g) {
      const __m512i rows = _mm512_loadu_si512(codes + 64 * g);
      // The next page ahead: hardware prefetchers stop at page borders.
      _mm_prefetch(reinterpret_cast<const char*>(codes + 64 * g + 4096), _MM_HINT_T0);
      for (std::size_t q = 0; q < Q; ++q) {
        high[q] = _mm512_dpbusd_epi32(high[q], rows, broadcast_group(queries[q].high, g));
        low[q] = _mm512_dpbusd_epi32(low[q], rows, broadcast_group(queries[q].low, g));
      }
    }
    const __m512 norm = _mm512_loadu_ps(blocks.norms + kBlockRows * b);
    const __m512 error = _mm512_loadu_ps(blocks.errors + kBlockRows * b);
    for (std::size_t q = 0; q < Q; ++q) {
      masks[static_cast<std::int64_t>(q) * count + b] = matches(queries[q], high[q], low[q], norm, error);
    }
  }
}

void scan_avx512(const CodeBlocks& blocks, std::int64_t count, std::span<const CodeQuery> queries,
                 std::uint16_t* masks) {
  switch (queries.size()) {
    case 1:
      return scan_vnni<1>(blocks, count, queries.data(), masks);
    case 2:
      return scan_vnni<2>(blocks, count, queries.data(), masks);
    case 3:
      return scan_vnni<3>(blocks, count, queries.data(), masks);
    default:
      // Callers pass 1 to kMaxQueries (4) queries.
      return scan_vnni<4>(blocks, count, queries.data(), masks);
  }
}

#endif

// From slowest to fastest; kernels() takes the last, tests run all.
std::vector<Kernels> detect() {
  std::vector<Kernels> found = {{"portable", squared_l2_portable, inner_product_portable, nullptr}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    found.push_back({"avx2", squared_l2_avx2, inner_product_avx2, nullptr});
  }
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) {
    found.push_back({"avx512vnni", squared_l2_avx512, inner_product_avx512, scan_avx512});
  }
#endif
  return found;
}

}  // namespace

std::span<const Kernels> available_kernels() {
  static const std::vector<Kernels> all = detect();
  return all;
}

const Kernels& kernels() { return available_kernels().back(); }

}  // namespace clary::knn
