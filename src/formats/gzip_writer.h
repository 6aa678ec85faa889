// SPDX-License-Identifier: Apache-2.0
// Writes one gzip member in pieces of 1 MiB that several threads compress side by side. Models are mostly floats, whose
// bytes repeat nowhere: searching them for matches costs several times what it saves. So a sample of each piece decides
// whether it is stored, compressed as runs and single bytes (zlib's Z_RLE), or searched for matches. The bytes of the
// file depend on what is written alone, not on the number of threads or of write() calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace clary::formats {

class GzipWriter {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;
  /// @param sink  takes the compressed bytes; what it throws, write() and finish() throw
  explicit GzipWriter(Sink sink);
  void write(std::span<const std::byte> bytes);
  /// To be called once, at the end.
  void finish();

 private:
  void compress_pending();

  void put(std::string_view bytes) { sink_(std::as_bytes(std::span(bytes))); }

  Sink sink_;
  std::vector<std::byte> pending_;  // less than a piece for each thread
  std::size_t threads_ = 1;
  std::uint32_t crc_ = 0;
  std::uint64_t bytes_ = 0;  // so far
};

}  // namespace clary::formats
