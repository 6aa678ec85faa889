// SPDX-License-Identifier: Apache-2.0
// Where batch transform reads an input object from: a file, or the decompressed content of a gzip file. Blocking; one
// reader, one thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace clary::serving {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills at most out.size() bytes (> 0); returns how many, 0 at the end.
  virtual std::size_t read(std::span<char> out) = 0;
};

std::unique_ptr<ByteSource> open_plain(const std::filesystem::path& path);

/// Every member of a gzip file, one after another.
/// @throws Error{kMalformed} from read() on a bad header, a checksum mismatch or a cut file
std::unique_ptr<ByteSource> open_gzip(const std::filesystem::path& path);

/// Reads from text the caller keeps alive.
std::unique_ptr<ByteSource> open_text(std::string_view text);

/// gzip over any other source (what open_gzip does to a file).
std::unique_ptr<ByteSource> gunzip(std::unique_ptr<ByteSource> compressed);

}  // namespace clary::serving
