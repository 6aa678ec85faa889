// SPDX-License-Identifier: Apache-2.0
#include "learning/hyper/python_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace clary::hyper {
namespace {

void append_quoted(std::string& out, std::string_view text) {
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
}

/// 30, 1e-08, True
bool is_python_number(std::string_view text) {
  if (text == "True" || text == "False") return true;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

}  // namespace

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
  for (const auto& [name, value] : map) {
    if (out.size() > 1) out += ", ";
    append_quoted(out, name);
    out += ": ";
    append_quoted(out, value);
  }
  return out + "}";
}

std::string python2_repr(const std::map<std::string, std::string, std::less<>>& configuration,
                         const std::map<std::string, std::string, std::less<>>& given) {
  std::string out = "{";
  for (const auto& [name, value] : configuration) {
    if (value.empty()) continue;
    if (out.size() > 1) out += ", ";
    append_quoted(out += 'u', name);
    out += ": ";
    if (!given.contains(name) && is_python_number(value))
      out += value;
    else
      append_quoted(out += 'u', value);
  }
  return out + "}";
}

}  // namespace clary::hyper
