// SPDX-License-Identifier: Apache-2.0
// The few vector loops of the CSV reader, in SSE2 (every x86-64 has it) with a plain version for other machines.
// Internal to formats.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace clary::formats::simd {

constexpr std::size_t kIndexStep = 64;       // bytes looked at by one call of index_separators
constexpr std::size_t kIndexSlack = 64 + 8;  // entries one call may write
constexpr std::size_t kDigitRun = 8;         // fields of a run "d,d,d,d,d,d,d,d,"
constexpr std::ptrdiff_t kDigitRunBytes = 16;

/// Appends the offsets of the separators (`delimiter` and newlines) of text[from, ...) to out[0, ...), 64 bytes at a
/// time, until at least `wanted` are there or the text ends. Writes up to kIndexSlack entries more than it counts.
/// @param from  moved behind what was looked at
/// @return how many there are
std::size_t index_separators(std::string_view text, std::size_t& from, std::uint32_t* out, std::size_t wanted,
                             char delimiter = ',');

/// "d,d,d,d,d,d,d,d," to eight floats; false (and nothing useful written) when the text is anything else.
inline bool digit_run(const char* text, float* out) noexcept {
#ifdef __SSE2__
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  const __m128i digits = _mm_sub_epi16(_mm_and_si128(x, _mm_set1_epi16(0x00FF)), _mm_set1_epi16('0'));
  const __m128i is_comma = _mm_cmpeq_epi16(_mm_srli_epi16(x, 8), _mm_set1_epi16(','));
  const __m128i bad =
      _mm_or_si128(_mm_cmpgt_epi16(digits, _mm_set1_epi16(9)), _mm_cmpgt_epi16(_mm_setzero_si128(), digits));
  if (_mm_movemask_epi8(_mm_andnot_si128(bad, is_comma)) != 0xFFFF) return false;
  const __m128i zero = _mm_setzero_si128();
  _mm_storeu_ps(out, _mm_cvtepi32_ps(_mm_unpacklo_epi16(digits, zero)));
  _mm_storeu_ps(out + 4, _mm_cvtepi32_ps(_mm_unpackhi_epi16(digits, zero)));
  return true;
#else
  for (int i = 0; i < 8; ++i) {
    if (text[2 * i] < '0' || text[2 * i] > '9' || text[2 * i + 1] != ',') return false;
    out[i] = static_cast<float>(text[2 * i] - '0');
  }
  return true;
#endif
}

/// The same, adding only what is not zero: writes digits and columns (column + 0..7) to the two places and returns how
/// many, or -1 when the text is anything else.
inline int sparse_digit_run(const char* text, std::int32_t column, float* values, std::int32_t* columns) noexcept {
  float digits[kDigitRun];
  if (!digit_run(text, digits)) return -1;
  int kept = 0;
  for (std::size_t i = 0; i < kDigitRun; ++i) {  // without a branch: each is written, and kept when not zero
    values[kept] = digits[i];
    columns[kept] = column + static_cast<std::int32_t>(i);
    kept += digits[i] != 0 ? 1 : 0;
  }
  return kept;
}

/// True for "0,0,0,0,0,0,0,0,".
inline bool is_zero_run(const char* text) noexcept {
  std::uint64_t words[2];
  std::memcpy(words, text, sizeof words);
  constexpr std::uint64_t kZeros = 0x2C302C302C302C30;
  return ((words[0] ^ kZeros) | (words[1] ^ kZeros)) == 0;
}

}  // namespace clary::formats::simd
