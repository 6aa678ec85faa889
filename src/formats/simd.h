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

/// Bit i set when text[i] is ',' or '\n', for 64 bytes.
inline std::uint64_t separator_bits(const char* text) noexcept {
#ifdef __SSE2__
  const __m128i comma = _mm_set1_epi8(',');
  const __m128i newline = _mm_set1_epi8('\n');
  std::uint64_t bits = 0;
  for (int i = 0; i < 4; ++i) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + 16 * i));
    const int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, comma), _mm_cmpeq_epi8(x, newline)));
    bits |= static_cast<std::uint64_t>(static_cast<std::uint32_t>(mask)) << (16 * i);
  }
  return bits;
#else
  std::uint64_t bits = 0;
  for (int i = 0; i < 64; ++i) bits |= static_cast<std::uint64_t>(text[i] == ',' || text[i] == '\n') << i;
  return bits;
#endif
}

/// Writes the offsets of the separators in text[from, from + 64) to `out`; writes up to kIndexSlack entries, of which the
/// returned number counts.
inline std::size_t index_separators(std::string_view text, std::size_t from, std::uint32_t* out) noexcept {
  std::uint64_t bits;
  if (from + kIndexStep <= text.size()) {
    bits = separator_bits(text.data() + from);
  } else {
    char tail[kIndexStep] = {};
    std::memcpy(tail, text.data() + from, text.size() - from);
    bits = separator_bits(tail);
  }
  const int count = std::popcount(bits);
  const auto base = static_cast<std::uint32_t>(from);
  for (int done = 0; done < count; done += 8) {  // eight at a time: the branch is then well predicted
    for (int i = 0; i < 8; ++i) {
      out[done + i] = base + static_cast<std::uint32_t>(std::countr_zero(bits));
      bits &= bits - 1;
    }
  }
  return static_cast<std::size_t>(count);
}

/// "d,d,d,d,d,d,d,d," to eight floats; false (and nothing useful written) when the text is anything else.
inline bool digit_run(const char* text, float* out) noexcept {
#ifdef __SSE2__
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  const __m128i digits = _mm_sub_epi16(_mm_and_si128(x, _mm_set1_epi16(0x00FF)), _mm_set1_epi16('0'));
  const __m128i is_comma = _mm_cmpeq_epi16(_mm_srli_epi16(x, 8), _mm_set1_epi16(','));
  const __m128i bad = _mm_or_si128(_mm_cmpgt_epi16(digits, _mm_set1_epi16(9)), _mm_cmpgt_epi16(_mm_setzero_si128(), digits));
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

/// True for "0,0,0,0,0,0,0,0,".
inline bool is_zero_run(const char* text) noexcept { return std::memcmp(text, "0,0,0,0,0,0,0,0,", 16) == 0; }

}  // namespace clary::formats::simd
