// SPDX-License-Identifier: Apache-2.0
// An augmented manifest: JSON Lines, each an object, of which a channel passes some attributes on (AttributeNames, in
// that order). The value of a name that ends in "-ref" is the S3 address of an object whose bytes are meant; of any
// other a string's characters, or the JSON text as it is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace clary::agent {

inline constexpr std::size_t kMaxManifestLineBytes = std::size_t{64} << 20;  // a limit of this server

inline constexpr std::uint64_t kMaxUnpackedManifestBytes = std::uint64_t{8} << 30;

bool is_reference(std::string_view attribute_name);

/// The lines of a file, mapped; blank ones are left out. Lines live as long as this does.
class ManifestLines {
 public:
  /// @param gzip  the file is compressed; its lines lie in a temporary file without a name
  /// @throws Error when the file cannot be read, Error{kMalformed} when it holds no line or one that is too long, or is
  /// not gzip, Error{kLimit} when it unpacks to more than kMaxUnpackedManifestBytes
  explicit ManifestLines(const std::filesystem::path& file, bool gzip = false);
  ManifestLines(const ManifestLines&) = delete;
  ManifestLines& operator=(const ManifestLines&) = delete;
  ~ManifestLines();

  std::size_t size() const { return lines_.size(); }
  std::string_view operator[](std::size_t i) const { return lines_[i].text; }
  std::size_t number(std::size_t i) const { return lines_[i].number; }  // from 1, blank lines counted

 private:
  struct Line {
    std::string_view text;
    std::size_t number;
  };
  void* start_ = nullptr;
  std::size_t bytes_ = 0;
  std::vector<Line> lines_;
};

/// The values of `names` in one line. @throws Error{kMalformed} for a line that is not an object or lacks one
std::vector<std::string> attribute_values(std::string_view line, const std::vector<std::string>& names);

}  // namespace clary::agent
