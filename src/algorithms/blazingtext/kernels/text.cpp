// SPDX-License-Identifier: Apache-2.0
// Separators found 64 bytes at a time as bits of one word.
#include <bit>
#include <cstring>

#include "algorithms/blazingtext/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/blazingtext/kernels/text.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Bit i: text[i] is no separator (space, NUL, or \t \n \v \f \r, which are 9 .. 13).
HWY_INLINE std::uint64_t token_bits(const char* text) {
  const hn::CappedTag<std::uint8_t, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  std::uint64_t out = 0;
  for (std::size_t at = 0; at < 64; at += lanes) {
    const auto c = hn::LoadU(d, reinterpret_cast<const std::uint8_t*>(text) + at);
    // Unsigned subtraction: 9..13 become 0..4, everything else 5 or more, and Min() makes it 5.
    const auto control = hn::Min(hn::Sub(c, hn::Set(d, 9)), hn::Set(d, 5));  // below 5 for 9 .. 13
    const auto separator =
        hn::Or(hn::Or(hn::Eq(c, hn::Set(d, ' ')), hn::Eq(c, hn::Zero(d))), hn::Ne(control, hn::Set(d, 5)));
    std::uint64_t bits = 0;
    hn::StoreMaskBits(d, separator, reinterpret_cast<std::uint8_t*>(&bits));
    out |= bits << at;
  }
  return ~out;
}

// `text` must be readable up to a multiple of 64 bytes. A border is where a token begins or ends: the bits that differ
// from their predecessor.
std::size_t TokenBorders(const char* text, std::size_t size, std::uint32_t base, bool inside, std::uint32_t* out) {
  std::uint32_t* const first = out;
  std::uint64_t before = inside ? 1 : 0;
  for (std::size_t at = 0; at < size; at += 64) {
    const std::uint64_t token = token_bits(text + at);
    std::uint64_t borders = token ^ (token << 1 | before);
    before = token >> 63;
    // Bits behind the end are dropped.
    if (size - at < 64) borders &= (std::uint64_t{1} << (size - at)) - 1;
    const auto here = base + static_cast<std::uint32_t>(at);
    // Most steps have 16 to 24 borders; writing eight more than there are costs less than asking after each.
    std::uint32_t* const end = out + std::popcount(borders);
    while (out < end) {
      for (int i = 0; i < 8; ++i) {
        out[i] = here + static_cast<std::uint32_t>(std::countr_zero(borders));
        borders &= borders - 1;
      }
      out += 8;
    }
    out = end;
  }
  return static_cast<std::size_t>(out - first);
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::blazingtext::kernels {

HWY_EXPORT(TokenBorders);

std::size_t token_borders(const char* text, std::size_t size, std::uint32_t base, bool inside, std::uint32_t* out) {
  return HWY_DYNAMIC_DISPATCH(TokenBorders)(text, size, base, inside, out);
}

}  // namespace clary::blazingtext::kernels
#endif
