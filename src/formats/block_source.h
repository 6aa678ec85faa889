// SPDX-License-Identifier: Apache-2.0
// Cuts files and streams into blocks of whole rows: mapped files without a copy, streams in buffers of their own.
// Internal to formats.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "formats/block.h"
#include "formats/byte_source.h"
#include "formats/row_reader.h"

namespace clary::formats {

/// Bytes of whole rows at the front of `bytes`, aiming at `target`; 0 when the first row is not complete.
using CutRows = std::function<std::size_t(std::span<const std::byte> bytes, std::size_t target)>;

struct CutOptions {
  CutRows cut;
  bool whole_when_mapped = false;  // what lies in memory is one block
  bool newline_at_end = false;     // CSV: every block ends with one, added where the file lacks it
  std::uint64_t max_row_bytes = 0;
  const char* unit = "record";
};

class BlockSource {
 public:
  virtual ~BlockSource() = default;
  /// False at the end.
  virtual bool next(Block& block) = 0;
};

/// One stream, as one file called `name`.
std::unique_ptr<BlockSource> stream_blocks(std::unique_ptr<ByteSource> bytes, const std::string& name,
                                           const CutOptions& options);

/// Files in their order; gzipped ones are streamed, others mapped.
std::unique_ptr<BlockSource> file_blocks(std::vector<InputFile> files, const CutOptions& options);

/// Bytes in memory; they outlive the source.
std::unique_ptr<BlockSource> memory_blocks(std::span<const std::byte> bytes, const std::string& name,
                                           const CutOptions& options);

}  // namespace clary::formats
