// SPDX-License-Identifier: Apache-2.0
// Text in UTF-8 as Python 3 sees it: words between white space (str.split()), and bytes that are not UTF-8 replaced
// (errors="replace").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace clary::formats {

namespace words {

enum Class : std::uint8_t { kLetter, kBlank, kMaybeBlank };  // kMaybeBlank begins a blank of several bytes, perhaps

constexpr std::array<std::uint8_t, 256> classes() {
  std::array<std::uint8_t, 256> out{};
  for (std::size_t c = 0x09; c <= 0x0D; ++c) out[c] = kBlank;
  for (std::size_t c = 0x1C; c <= 0x20; ++c) out[c] = kBlank;
  for (const std::size_t c : std::array<std::size_t, 4>{0xC2, 0xE1, 0xE2, 0xE3}) out[c] = kMaybeBlank;
  return out;
}
inline constexpr std::array<std::uint8_t, 256> kClasses = classes();

/// Bytes of the blank of several bytes at `p`, 0 if there is none: U+0085, 00A0, 1680, 2000 to 200A, 2028, 2029, 202F,
/// 205F, 3000 (Python's str.isspace()).
std::size_t wide_blank(const char* p, const char* end) noexcept;

inline std::size_t blank(const char* p, const char* end) noexcept {
  const std::uint8_t c = kClasses[static_cast<unsigned char>(*p)];
  return c == kLetter ? 0 : c == kBlank ? 1 : wide_blank(p, end);
}

}  // namespace words

/// Calls use(std::string_view) for each word of `text`: what lies between white space, line ends included.
template <class Use>
void for_each_word(std::string_view text, Use&& use) {
  const char *p = text.data(), *const end = p + text.size();
  while (p != end) {
    if (const std::size_t skipped = words::blank(p, end); skipped > 0) {
      p += skipped;
      continue;
    }
    const char* const start = p;
    do {
      ++p;
      while (p != end && words::kClasses[static_cast<unsigned char>(*p)] == words::kLetter) ++p;
    } while (p != end && words::blank(p, end) == 0);
    use(std::string_view(start, static_cast<std::size_t>(p - start)));
  }
}

/// Whether there is a blank in the text, or nothing at all.
bool is_no_word(std::string_view text) noexcept;

/// Each maximal part of a sequence that is not UTF-8 becomes one U+FFFD (Unicode 15, section 3.9, "U+FFFD Substitution
/// of Maximal Subparts", which Python's decoder follows).
std::string repaired_utf8(std::string_view bytes);

}  // namespace clary::formats
