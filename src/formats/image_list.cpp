// SPDX-License-Identifier: Apache-2.0
#include "formats/image_list.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "formats/number.h"

namespace clary::formats {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxPathBytes = 4096;  // Linux's PATH_MAX

/// Nothing when the number is none, or not finite.
std::optional<float> number_of(std::string_view field) {
  float value = 0;
  if (parse_any_number(field, value) != NumberProblem::kNone) return std::nullopt;
  return value;
}

/// The path without "." and empty parts; empty when it is absolute, leaves the folder or is too long.
std::string path_inside(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.size() > kMaxPathBytes || path.find('\0') != std::string_view::npos)
    return {};
  std::string out;
  for (const std::string_view part : split(path, '/')) {
    if (part == "..") return {};
    if (part.empty() || part == ".") continue;
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

/// For messages: a field is foreign text.
std::string shown(std::string_view field) {
  constexpr std::size_t kMostShown = 100;
  std::string out(field.substr(0, kMostShown));
  const bool whole = is_utf8(out);
  for (char& c : out)
    if ((c >= 0 && c < ' ') || c == '\x7F' || (c < 0 && !whole)) c = '?';
  return out + (field.size() > kMostShown ? "..." : "");
}

/// Fills `out` from one line. @return what is wrong with the line, or nothing
std::string parse_line(std::string_view line, ListedImage& out) {
  if (line.size() > kMaxLineBytes) return fmt::format("is longer than {} bytes", kMaxLineBytes);
  const std::vector<std::string_view> fields = split(line, '\t');
  if (fields.size() < 3)
    return fmt::format("has {} fields, must have index, label and path separated by TAB", fields.size());
  if (!number_of(fields.front())) return fmt::format("the index \"{}\" is not a number", shown(fields.front()));
  out.labels.clear();
  for (std::size_t i = 1; i + 1 < fields.size(); ++i) {
    const auto label = number_of(fields[i]);
    if (!label) return fmt::format("the label \"{}\" is not a number", shown(fields[i]));
    out.labels.push_back(*label);
  }
  out.path = path_inside(trimmed(fields.back()));
  if (out.path.empty()) return fmt::format("\"{}\" is not a path inside the channel", shown(fields.back()));
  return {};
}

}  // namespace

ImageList parse_image_list(std::string_view text, const std::string& name) {
  ImageList out;
  std::int64_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (trimmed(line).empty()) continue;
    if (line.back() == '\r') line.remove_suffix(1);
    ListedImage image{number, {}, {}};
    const std::string problem = parse_line(line, image);
    if (problem.empty()) {
      out.images.push_back(std::move(image));
    } else if (out.malformed++ == 0) {
      out.first_problem = fmt::format("line {}: {}", number, problem);
    }
  }
  const auto good = static_cast<std::int64_t>(out.images.size());
  if (good == 0 && out.malformed == 0) throw Error(Kind::kMalformed, name + ": lists no picture");
  if (good == 0 || out.malformed * 100 > good + out.malformed)
    throw Error(Kind::kMalformed, fmt::format("{}: {} of {} lines are malformed, at most 1 % may be; {}", name,
                                              out.malformed, good + out.malformed, out.first_problem));
  return out;
}

}  // namespace clary::formats
