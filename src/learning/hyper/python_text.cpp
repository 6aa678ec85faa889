// SPDX-License-Identifier: Apache-2.0
#include "learning/hyper/python_text.h"

#include <fmt/format.h>

#include <cmath>

namespace clary::hyper {

// fmt prints the shortest text that reads back, as Python's repr does; Python adds ".0" to whole numbers.
std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string python_list(const std::vector<std::string>& words) {
  return words.empty() ? "[]" : fmt::format("['{}']", fmt::join(words, "', '"));
}

std::string python_repr(const std::map<std::string, std::string, std::less<>>& map) {
  std::string out = "{";
  const auto quoted = [&out](std::string_view text) {
    out += '\'';
    for (const char c : text) {
      if (c == '\\' || c == '\'') out += '\\';
      if (c == '\n')
        out += "\\n";
      else if (static_cast<unsigned char>(c) < 0x20)
        out += fmt::format("\\x{:02x}", c);
      else
        out += c;
    }
    out += '\'';
  };
  for (const auto& [name, value] : map) {
    if (out.size() > 1) out += ", ";
    quoted(name);
    out += ": ";
    quoted(value);
  }
  return out + "}";
}

}  // namespace clary::hyper
