// SPDX-License-Identifier: Apache-2.0
// Cuts an input object of batch transform into records (SplitType None, Line, RecordIO, TFRecord). Streaming: holds one
// record and one read-ahead block. The bytes are foreign: every length is checked against the payload limit before it
// is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "platform/serving/byte_source.h"

namespace clary::serving {

enum class SplitType { kNone, kLine, kRecordIo, kTfRecord };

/// "None", "Line", "RecordIO", "TFRecord"; "" means None.
std::optional<SplitType> parse_split_type(std::string_view text);

struct RecordView {
  std::string_view framed;   // as it stood in the object: newline or record framing included
  std::string_view content;  // without newline or framing
};

class RecordReader {
 public:
  /// @param max_record_bytes a longer record (framing included) is an error
  /// @param skip_blank  SplitType Line: lines of nothing but blanks are no records and are not counted
  RecordReader(std::unique_ptr<ByteSource> source, SplitType split, std::uint64_t max_record_bytes,
               bool skip_blank = false);

  /// The next record, valid until the next call; nothing at a clean end. SplitType None gives the whole object once,
  /// also when it is empty.
  /// @throws Error{kMalformed} on bad framing (names record number and byte), Error{kLimit} on a too long record
  std::optional<RecordView> next();

  /// Number of the record last returned, from 1.
  std::uint64_t record() const noexcept { return record_; }

 private:
  std::optional<RecordView> next_line();
  std::optional<RecordView> any_line();
  std::optional<RecordView> next_recordio();
  std::optional<RecordView> next_tfrecord();
  std::optional<RecordView> whole_object();

  /// Makes n bytes available from begin_ on; false when the object ends before.
  bool fill(std::size_t n);
  bool read_more();
  std::string_view window() const { return std::string_view(buffer_).substr(begin_, end_ - begin_); }
  std::string_view take(std::size_t n);
  void check_size(std::uint64_t bytes) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::unique_ptr<ByteSource> source_;
  SplitType split_;
  std::uint64_t max_;
  bool skip_blank_;
  std::string buffer_;  // [begin_, end_) is unread
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t offset_ = 0;  // of begin_ in the object
  std::uint64_t record_ = 0;
  bool ended_ = false;
  std::string joined_;  // content of a RecordIO record that was written in parts
};

}  // namespace clary::serving
