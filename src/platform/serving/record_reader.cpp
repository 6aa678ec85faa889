// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/record_reader.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"

namespace clary::serving {
namespace {

constexpr std::size_t kBlock = 256 * 1024;
constexpr std::uint32_t kRecordIoMagic = 0xCED7230A;
constexpr std::uint32_t kRecordIoLengthMask = (1U << 29) - 1;
constexpr std::uint32_t kTfMaskDelta = 0xa282ead8U;  // TensorFlow: masked CRC-32C

// memcpy: the position has no alignment. The machines that Clary runs on (x86-64, arm64) are little-endian themselves.
template <class T>
T little_endian(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// TensorFlow stores a rotated CRC so that a CRC over data that contain CRCs stays useful: "TFRecord format details",
// masked_crc = ((crc >> 15) | (crc << 17)) + 0xa282ead8.
std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::string big_endian = digest(Digest::kCrc32c, bytes);
  std::uint32_t crc = 0;
  for (const char c : big_endian) crc = crc << 8 | static_cast<unsigned char>(c);
  return ((crc >> 15) | (crc << 17)) + kTfMaskDelta;
}

}  // namespace

std::optional<SplitType> parse_split_type(std::string_view text) {
  if (text.empty() || text == "None") return SplitType::kNone;
  if (text == "Line") return SplitType::kLine;
  if (text == "RecordIO") return SplitType::kRecordIo;
  if (text == "TFRecord") return SplitType::kTfRecord;
  return std::nullopt;
}

RecordReader::RecordReader(std::unique_ptr<ByteSource> source, SplitType split, std::uint64_t max_record_bytes,
                           bool skip_blank)
    : source_(std::move(source)), split_(split), max_(max_record_bytes), skip_blank_(skip_blank) {}

std::optional<RecordView> RecordReader::next() {
  switch (split_) {
    case SplitType::kLine:
      return next_line();
    case SplitType::kRecordIo:
      return next_recordio();
    case SplitType::kTfRecord:
      return next_tfrecord();
    case SplitType::kNone:
      break;
  }
  return whole_object();
}

// Makes room and appends one block. Views that were handed out before become invalid: they point into buffer_.
bool RecordReader::read_more() {
  if (ended_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // Doubling keeps the copies linear in the record's size. The callers check sizes against max_ first, so the buffer
  // ends at about twice the payload limit plus a block.
  if (buffer_.size() - end_ < kBlock) buffer_.resize(std::max(buffer_.size() * 2, end_ + kBlock));
  const std::size_t got = source_->read(std::span(buffer_).subspan(end_));
  end_ += got;
  ended_ = got == 0;
  return !ended_;
}

// n counts from begin_, and stays right when read_more() moves the unread bytes to the front.
bool RecordReader::fill(std::size_t n) {
  while (end_ - begin_ < n)
    if (!read_more()) return false;
  return true;
}

std::string_view RecordReader::take(std::size_t n) {
  const std::string_view bytes = std::string_view(buffer_).substr(begin_, n);
  begin_ += n;
  offset_ += n;
  return bytes;
}

void RecordReader::fail(const std::string& what) const {
  throw Error(Kind::kMalformed,
              "record " + std::to_string(record_ + 1) + " at byte " + std::to_string(offset_) + ": " + what);
}

void RecordReader::check_size(std::uint64_t bytes) const {
  if (bytes <= max_) return;
  const std::string thing = split_ == SplitType::kNone ? "the object" : "record " + std::to_string(record_ + 1);
  throw Error(Kind::kLimit, thing + " is longer than the maximum payload of " + std::to_string(max_) + " bytes");
}

std::optional<RecordView> RecordReader::whole_object() {
  if (record_ > 0) return std::nullopt;
  // check_size() before each read: an object of any size stops at the first block above the limit.
  do {
    check_size(end_ - begin_);
  } while (read_more());
  record_ = 1;
  const std::string_view all = take(end_ - begin_);
  return RecordView{all, all};
}

std::optional<RecordView> RecordReader::next_line() {
  for (;;) {
    const auto line = any_line();
    if (line) {
      // Tabs are no blanks: in TSV they are a row of empty fields.
      const bool blank = line->content.find_first_not_of(" \r") == std::string_view::npos;
      if (skip_blank_ && blank) continue;
      ++record_;
    }
    return line;
  }
}

std::optional<RecordView> RecordReader::any_line() {
  // Bytes already searched are not searched again after a refill, otherwise a long line would cost quadratic time.
  std::size_t searched = 0;
  for (;;) {
    const std::string_view have = window();
    const std::size_t newline = have.find('\n', searched);
    if (newline != std::string_view::npos) {
      check_size(newline);
      const std::string_view line = take(newline + 1);
      return RecordView{line, line.substr(0, newline)};
    }
    searched = have.size();
    check_size(searched);
    if (!read_more()) break;
  }
  // The last line need not end in a newline; an object that ends in one has no empty record after it.
  if (begin_ == end_) return std::nullopt;
  const std::string_view last = take(end_ - begin_);
  return RecordView{last, last};
}

// MXNet's RecordIO (dmlc-core, recordio.h): magic, then a word whose upper 3 bits say which part of a record this is
// and whose lower 29 bits are the length, then the data padded to 4 bytes. A record that contains the magic number on
// a 4-byte boundary is written in parts, split there, and the reader puts the magic back between the parts.
std::optional<RecordView> RecordReader::next_recordio() {
  std::size_t size = 0;   // of all parts so far, framing included
  bool in_parts = false;  // between a first and a last part
  joined_.clear();
  for (;;) {
    if (!fill(size + 8)) {
      if (size == 0 && begin_ == end_) return std::nullopt;
      fail("RecordIO data ends inside a record");
    }
    const auto magic = little_endian<std::uint32_t>(window(), size);
    const auto length_word = little_endian<std::uint32_t>(window(), size + 4);
    if (magic != kRecordIoMagic) fail("RecordIO magic number 0xCED7230A expected");
    const std::size_t length = length_word & kRecordIoLengthMask;
    const std::uint32_t part = length_word >> 29;  // 0 whole, 1 first, 2 middle, 3 last
    // 0 and 1 may begin a record, 2 and 3 may only go on with one.
    if (part > 3 || in_parts != (part >= 2))
      fail("RecordIO continuation flag " + std::to_string(part) + " out of order");
    const std::size_t padded = (length + 3) & ~std::size_t{3};
    // Before fill(): a length word of a hostile file cannot make the buffer grow beyond the limit. All parts count
    // together.
    check_size(size + 8 + padded);
    if (!fill(size + 8 + padded)) fail("RecordIO data ends inside a record");
    const std::string_view data = window().substr(size + 8, length);
    size += 8 + padded;
    if (part == 0) {
      // The position is taken before take(), which moves begin_ past the record.
      const std::size_t start = begin_ + 8;
      ++record_;
      const std::string_view framed = take(size);
      return RecordView{framed, std::string_view(buffer_).substr(start, length)};
    }
    if (in_parts) joined_.append(reinterpret_cast<const char*>(&kRecordIoMagic), 4);
    joined_.append(data);
    in_parts = true;
    if (part == 3) {
      ++record_;
      return RecordView{take(size), joined_};
    }
  }
}

// uint64 length, masked CRC of the length, data, masked CRC of the data ("TFRecord format details").
std::optional<RecordView> RecordReader::next_tfrecord() {
  constexpr std::size_t kHead = 12, kTail = 4;
  if (!fill(kHead)) {
    if (begin_ == end_) return std::nullopt;
    fail("TFRecord data ends inside a record");
  }
  const auto length = little_endian<std::uint64_t>(window(), 0);
  // The length's own checksum is checked before the length is used, and the limit before the buffer grows.
  if (little_endian<std::uint32_t>(window(), 8) != masked_crc32c(window().substr(0, 8)))
    fail("TFRecord checksum of the length does not match");
  check_size(length);
  if (!fill(kHead + length + kTail)) fail("TFRecord data ends inside a record");
  const std::string_view content = window().substr(kHead, length);
  if (little_endian<std::uint32_t>(window(), kHead + length) != masked_crc32c(content))
    fail("TFRecord checksum of the data does not match");
  ++record_;
  const std::string_view framed = take(kHead + length + kTail);
  return RecordView{framed, framed.substr(kHead, length)};
}

}  // namespace clary::serving
