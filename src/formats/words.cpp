// SPDX-License-Identifier: Apache-2.0
#include "formats/words.h"

namespace clary::formats {
namespace {

unsigned char byte_at(const char* p) { return static_cast<unsigned char>(*p); }

/// What the byte after a lead byte may be, and how many bytes follow the lead byte (0: it is none). Unicode 15, table
/// 3-7.
struct Sequence {
  unsigned char low = 0x80, high = 0xBF;
  int following = 0;
};

Sequence sequence_of(unsigned char lead) {
  if (lead < 0xC2 || lead > 0xF4) return {};
  if (lead < 0xE0) return {0x80, 0xBF, 1};
  if (lead < 0xF0)
    return {lead == 0xE0 ? std::uint8_t{0xA0} : std::uint8_t{0x80},
            lead == 0xED ? std::uint8_t{0x9F} : std::uint8_t{0xBF}, 2};
  return {lead == 0xF0 ? std::uint8_t{0x90} : std::uint8_t{0x80},
          lead == 0xF4 ? std::uint8_t{0x8F} : std::uint8_t{0xBF}, 3};
}

}  // namespace

namespace words {

std::size_t wide_blank(const char* p, const char* end) noexcept {
  if (end - p >= 2 && byte_at(p) == 0xC2) return byte_at(p + 1) == 0x85 || byte_at(p + 1) == 0xA0 ? 2 : 0;
  if (end - p < 3) return 0;
  const unsigned code =
      static_cast<unsigned>(byte_at(p)) << 16 | static_cast<unsigned>(byte_at(p + 1)) << 8 | byte_at(p + 2);
  const bool is_blank = code == 0xE19A80 || (code >= 0xE28080 && code <= 0xE2808A) || code == 0xE280A8 ||
                        code == 0xE280A9 || code == 0xE280AF || code == 0xE2819F || code == 0xE38080;
  return is_blank ? 3 : 0;
}

}  // namespace words

bool is_no_word(std::string_view text) noexcept {
  for (const char *p = text.data(), *end = p + text.size(); p != end; ++p)
    if (words::blank(p, end) > 0) return true;
  return text.empty();
}

std::string repaired_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  const char *p = bytes.data(), *const end = p + bytes.size();
  while (p != end) {
    if (byte_at(p) < 0x80) {
      out += *p++;
      continue;
    }
    const Sequence sequence = sequence_of(byte_at(p));
    const char* const start = p++;
    int following = 0;
    while (following < sequence.following && p != end && byte_at(p) >= (following == 0 ? sequence.low : 0x80) &&
           byte_at(p) <= (following == 0 ? sequence.high : 0xBF))
      ++following, ++p;
    if (sequence.following > 0 && following == sequence.following)
      out.append(start, p);
    else
      out += "\xEF\xBF\xBD";
  }
  return out;
}

}  // namespace clary::formats
