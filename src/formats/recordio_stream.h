// SPDX-License-Identifier: Apache-2.0
// RecordIO records of a stream (a FIFO in Pipe mode), one after the other in memory of their own; recordio.h does the
// same for bytes that are all there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/byte_source.h"

namespace clary::formats {

class RecordIoStream {
 public:
  /// @param name  what messages call the stream
  /// @param max_record_bytes  of one record, its parts together
  RecordIoStream(std::unique_ptr<ByteSource> bytes, std::string name, std::size_t max_record_bytes);

  /// Replaces `payload` by the next record's, parts joined; false at a clean end.
  /// @throws Error{kMalformed} on a wrong magic number, a cut record or parts out of order, Error{kLimit} for a record
  /// that is too long; all name the number of the record
  bool next(std::string& payload);

  /// Records handed out so far.
  std::int64_t records() const noexcept { return records_; }

 private:
  bool next_part(std::string& payload, std::uint32_t& flag);
  std::size_t take(char* to, std::size_t count);
  [[noreturn]] void fail(const std::string& problem) const;

  std::unique_ptr<ByteSource> bytes_;
  std::string name_;
  std::size_t max_record_bytes_;
  std::vector<std::byte> buffer_;
  std::size_t at_ = 0, filled_ = 0;  // what is left in the buffer
  std::int64_t records_ = 0;
};

}  // namespace clary::formats
