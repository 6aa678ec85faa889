// SPDX-License-Identifier: Apache-2.0
// The training text of one pass, handed out in blocks of about a megabyte to as many threads as ask. Memory does not
// grow with the text: files are read block by block, pipes and gzip files through one buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/byte_source.h"
#include "formats/row_reader.h"

namespace clary::blazingtext {

/// Readable bytes after a block's text, so that vector loads and 8-byte loads need no care.
inline constexpr std::size_t kTextPadding = 128;
/// A longer token is no word but binary data or text without blanks.
inline constexpr std::size_t kMaxTokenBytes = 1 << 16;
/// A longer line of labelled text is an error; word vectors take lines of any length.
inline constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;

/// Text that starts and ends between tokens (between lines, where they are not too long). Used again and again.
class TextBlock {
 public:
  std::string_view text() const { return {bytes_.data(), size_}; }
  /// Makes room for `size` bytes and the padding behind them, which is blank. Returns where they go.
  char* resize(std::size_t size);

  std::string file;          // for messages
  std::uint64_t offset = 0;  // of the first byte in the file or stream

 private:
  std::vector<char> bytes_;
  std::size_t size_ = 0;
};

class TextSource {
 public:
  virtual ~TextSource() = default;
  /// The next block, in order of the text for one thread; false at the end. Any thread may call.
  virtual bool next(TextBlock& out) = 0;
};

struct TextOptions {
  std::size_t block_bytes = std::size_t{1} << 20;
  bool whole_lines = false;  // labelled text: never cut a line
  int part = 0, parts = 1;   // this host's share of the blocks of a file
};

/// Files in their order; a file ends a line. gzip files are read as streams.
std::unique_ptr<TextSource> open_text(std::vector<formats::InputFile> files, const TextOptions& options);

/// A stream; part and parts cut it by block number.
std::unique_ptr<TextSource> open_text(std::unique_ptr<formats::ByteSource> bytes, std::string name,
                                      const TextOptions& options);

}  // namespace clary::blazingtext
