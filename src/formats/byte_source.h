// SPDX-License-Identifier: Apache-2.0
// Streams of bytes: a descriptor, or the gunzipped content of one. Internal to formats.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/files.h"

namespace clary::formats {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Reads up to bytes.size() (> 0) bytes; 0 at the end. @throws Error
  virtual std::size_t read(std::span<std::byte> bytes) = 0;
};

/// Reads `fd`, gunzipping when its first bytes are 1F 8B; concatenated gzip members are read to the end.
/// @param name     for messages
/// @param stopped  where given, asked ten times a second while no bytes come (a FIFO whose writer is slow); once it
/// says
///                 true, reading throws Error{kCancelled}
std::unique_ptr<ByteSource> open_bytes(UniqueFd fd, const std::string& name, std::function<bool()> stopped = nullptr);

constexpr bool is_gzip(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

}  // namespace clary::formats
