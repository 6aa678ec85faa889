// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "platform/aws/services.h"

namespace clary::aws {

std::string xml_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const bool utf8 = is_utf8(text);
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#13;";
        break;
      case '\n':
      case '\t':
        out += c;
        break;
      default:
        // Other control characters can't stand in XML 1.0 at all; neither can bytes that are not UTF-8.
        if (static_cast<unsigned char>(c) < 0x20 || (!utf8 && static_cast<unsigned char>(c) >= 0x80)) {
          out += "?";
        } else {
          out += c;
        }
    }
  }
  return out;
}

}  // namespace clary::aws
