// SPDX-License-Identifier: Apache-2.0
// The separator index in three versions: AVX2 with bit-manipulation instructions where the CPU has them (asked once),
// SSE2, and plain.
#include "formats/simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define CLARY_HAS_AVX2_VERSION 1
#endif

namespace clary::formats::simd {
namespace {

/// Writes base + position of every set bit; eight at a time, since that branch is then well predicted.
#define CLARY_WRITE_BITS(bits, count, base, out)                                     \
  for (int done = 0; done < (count); done += 8) {                                    \
    for (int i = 0; i < 8; ++i) {                                                    \
      (out)[done + i] = (base) + static_cast<std::uint32_t>(std::countr_zero(bits)); \
      (bits) &= (bits)-1;                                                            \
    }                                                                                \
  }

/// Bit i set when text[i] is the delimiter or '\n', for 64 bytes.
std::uint64_t separator_bits(const char* text, char delimiter) noexcept {
  std::uint64_t bits = 0;
#ifdef __SSE2__
  const __m128i comma = _mm_set1_epi8(delimiter);
  const __m128i newline = _mm_set1_epi8('\n');
  for (int i = 0; i < 4; ++i) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + 16 * i));
    const int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, comma), _mm_cmpeq_epi8(x, newline)));
    bits |= static_cast<std::uint64_t>(static_cast<std::uint32_t>(mask)) << (16 * i);
  }
#else
  for (int i = 0; i < 64; ++i) bits |= static_cast<std::uint64_t>(text[i] == delimiter || text[i] == '\n') << i;
#endif
  return bits;
}

std::size_t index_block(const char* text, std::uint32_t base, std::uint32_t* out, char delimiter) noexcept {
  std::uint64_t bits = separator_bits(text, delimiter);
  const int count = std::popcount(bits);
  CLARY_WRITE_BITS(bits, count, base, out)
  return static_cast<std::size_t>(count);
}

std::size_t index_whole(const char* text, std::size_t size, std::size_t& from, std::uint32_t* out, std::size_t wanted,
                        char delimiter) {
  std::size_t count = 0;
  for (; count < wanted && from + kIndexStep <= size; from += kIndexStep) {
    count += index_block(text + from, static_cast<std::uint32_t>(from), out + count, delimiter);
  }
  return count;
}

#ifdef CLARY_HAS_AVX2_VERSION
__attribute__((target("avx2,bmi,popcnt"))) std::size_t index_whole_avx2(const char* text, std::size_t size,
                                                                        std::size_t& from, std::uint32_t* out,
                                                                        std::size_t wanted, char delimiter) {
  const __m256i comma = _mm256_set1_epi8(delimiter);
  const __m256i newline = _mm256_set1_epi8('\n');
  const auto half = [&](const char* at) __attribute__((target("avx2,bmi,popcnt"))) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    const __m256i hit = _mm256_or_si256(_mm256_cmpeq_epi8(x, comma), _mm256_cmpeq_epi8(x, newline));
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm256_movemask_epi8(hit)));
  };
  std::size_t count = 0;
  std::size_t at = from;
  for (; count < wanted && at + kIndexStep <= size; at += kIndexStep) {
    std::uint64_t bits = half(text + at) | half(text + at + 32) << 32;
    const int found = static_cast<int>(_mm_popcnt_u64(bits));
    CLARY_WRITE_BITS(bits, found, static_cast<std::uint32_t>(at), out + count)
    count += static_cast<std::size_t>(found);
  }
  from = at;
  return count;
}
#endif

using IndexWhole = std::size_t (*)(const char*, std::size_t, std::size_t&, std::uint32_t*, std::size_t, char);

IndexWhole best_version() {
#ifdef CLARY_HAS_AVX2_VERSION
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt")) {
    return index_whole_avx2;
  }
#endif
  return index_whole;
}

}  // namespace

std::size_t index_separators(std::string_view text, std::size_t& from, std::uint32_t* out, std::size_t wanted,
                             char delimiter) {
  static const IndexWhole index = best_version();
  std::size_t count = index(text.data(), text.size(), from, out, wanted, delimiter);
  // The last, partial step works on a copy with zeros behind it: nothing beyond the text is read.
  if (count < wanted && from < text.size()) {
    char tail[kIndexStep] = {};
    std::memcpy(tail, text.data() + from, text.size() - from);
    count += index_block(tail, static_cast<std::uint32_t>(from), out + count, delimiter);
    from = text.size();
  }
  return count;
}

}  // namespace clary::formats::simd
