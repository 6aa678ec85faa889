// SPDX-License-Identifier: Apache-2.0
// A text file in memory as Python's open(name, encoding="utf-8", errors="replace") gives it: mapped where it is UTF-8,
// a copy where it is gzip or has bytes to be replaced. Lines end at "\n", "\r\n" or "\r".
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"

namespace clary::corpus {

class TextFile {
 public:
  /// @throws Error{kNotFound} naming the file, Error{kMalformed} for broken gzip or a name in .gz that is none
  explicit TextFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::string_view text() const { return text_; }
  /// Some bytes were not UTF-8.
  bool was_repaired() const { return was_repaired_; }

 private:
  std::filesystem::path path_;
  std::optional<MappedFile> mapped_;  // unless owned_ has the text
  std::string owned_;
  std::string_view text_;
  bool was_repaired_ = false;
};

/// Where each line begins, and the end: line i is [out[i], out[i + 1]), its end included.
std::vector<std::size_t> line_starts(std::string_view text);

}  // namespace clary::corpus
