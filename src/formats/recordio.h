// SPDX-License-Identifier: Apache-2.0
// RecordIO framing: magic 0xCED7230A, a length word with a 3-bit continuation flag, payload, zero padding to 4 bytes.
// Split records (parts joined by the magic word that was cut out) are read; they are written only when asked for, since
// SageMaker's Python client reads protobuf answers by length alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clary::formats {

constexpr std::uint32_t kRecordIoMagic = 0xCED7230A;
constexpr std::size_t kMaxRecordIoPart = (std::size_t{1} << 29) - 1;

/// One record: its payload, and the bytes it took in the stream with headers and padding.
struct RecordIoRecord {
  std::span<const std::byte> payload;  // valid until the next call when the record was split, else as the input
  std::span<const std::byte> framed;
  std::uint64_t offset = 0;  // of the first header in the stream
};

class RecordIoReader {
 public:
  /// @param name  what messages call the stream
  /// @param base  offset of bytes[0] in the whole stream
  /// Bytes must outlive the reader.
  RecordIoReader(std::span<const std::byte> bytes, std::string_view name, std::uint64_t base = 0)
      : bytes_(bytes), name_(name), base_(base) {}

  /// The next record, or nothing at a clean end.
  /// @throws Error{kMalformed} on a wrong magic number (with the byte offset), a cut record (with the number of missing
  /// bytes) or parts out of order
  std::optional<RecordIoRecord> next();

  std::size_t position() const noexcept { return position_; }

 private:
  struct Part;
  Part part_at(std::size_t position) const;
  RecordIoRecord join(std::size_t start);

  std::span<const std::byte> bytes_;
  std::string name_;
  std::uint64_t base_;
  std::size_t position_ = 0;
  std::vector<std::byte> joined_;
};

/// Appends `payload` as one whole record. @throws Error{kLimit} from 2^29 bytes on
void append_recordio(std::string& out, std::string_view payload);

/// The same, cut at every aligned magic word (what seekable image files need).
void append_recordio_split(std::string& out, std::string_view payload);

}  // namespace clary::formats
