// SPDX-License-Identifier: Apache-2.0
// A block is a run of whole rows of one file, about a megabyte: the unit that is cut by one thread and decoded by
// another. Internal to formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "formats/batch_builder.h"

namespace clary::formats {

struct Block {
  std::span<const std::byte> bytes;         // whole rows; CSV: ends with a newline
  std::shared_ptr<const void> owner;        // keeps the bytes alive
  std::shared_ptr<const std::string> file;  // for messages
  std::uint64_t offset = 0;                 // of bytes[0] in the file, after gunzip
  bool file_start = false;
  // How far decoding has come:
  std::size_t position = 0;
  std::int64_t units = 0;  // lines or records before `position` in this block

  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

/// Thrown by a decoder: what is wrong with which unit of the block; the reader adds file and absolute number.
struct RowProblem {
  std::int64_t unit;  // 0-based in the block
  std::string text;   // "column 3: ..."
  bool limit = false;
};

/// Turns blocks of one format into rows; one object per thread.
class BlockDecoder {
 public:
  virtual ~BlockDecoder() = default;

  /// Decodes rows from block.position on until max_rows are in the batch or the block ends.
  /// @param shape  filled in by the first row where unknown
  /// @throws RowProblem
  virtual void decode(Block& block, RowShape& shape, BatchBuilder& to, std::int64_t max_rows) = 0;

  /// "line" or "record".
  virtual const char* unit() const noexcept = 0;
};

}  // namespace clary::formats
