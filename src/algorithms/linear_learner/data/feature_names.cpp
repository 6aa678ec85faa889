// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/data/feature_names.h"

#include <fstream>

#include "base/text.h"
#include "formats/csv.h"

namespace clary::linear_learner {
namespace {

constexpr std::size_t kMaxHeaderBytes = 16 << 20;

/// The first line that is not blank; empty when there is none within kMaxHeaderBytes.
std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string line;
  while (in && trimmed(line).empty() && line.size() < kMaxHeaderBytes) std::getline(in, line);
  return line.starts_with("\xEF\xBB\xBF") ? line.substr(3) : line;
}

/// Blanks and quotes around a name do not belong to it.
std::string plain(std::string_view name) {
  name = trimmed(name);
  if (name.size() >= 2 && name.front() == name.back() && (name.front() == '"' || name.front() == '\''))
    name = name.substr(1, name.size() - 2);
  return std::string(name);
}

}  // namespace

std::vector<std::string> feature_names(const shell::Channel& channel, std::int64_t features) {
  const formats::ContentType& type = channel.content_type();
  if (type.format() != formats::Format::kCsv || type.parameter("header") != "present" || channel.is_pipe()) return {};
  const auto files = channel.files();
  // The names are for people only: the first file's header is taken for all.
  if (files.empty()) return {};
  const std::string line = first_line(files.front().path);
  // Compressed files have no names: not worth inflating.
  if (line.starts_with("\x1f\x8b")) return {};
  std::vector<std::string> names;
  for (const std::string_view field : split(line, formats::delimiter_parameter(type).value_or(',')))
    names.push_back(plain(field));
  const auto labels = static_cast<std::size_t>(type.label_size().value_or(1));
  // A header that does not fit the data names nothing.
  if (names.size() != static_cast<std::size_t>(features) + labels) return {};
  names.erase(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(labels));
  return names;
}

}  // namespace clary::linear_learner
