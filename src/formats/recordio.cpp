// SPDX-License-Identifier: Apache-2.0
#include "formats/recordio.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace clary::formats {
namespace {

constexpr std::size_t kHeaderBytes = 8;
enum PartFlag : std::uint32_t { kWhole = 0, kFirst = 1, kMiddle = 2, kLast = 3 };

std::uint32_t word_at(std::span<const std::byte> bytes, std::size_t position) {
  std::uint32_t word;
  std::memcpy(&word, bytes.data() + position, sizeof word);
  return word;  // little-endian, as x86-64 and ARM64 are
}

constexpr std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

void append_part(std::string& out, PartFlag flag, std::string_view payload) {
  // 29 bits hold the length.
  if (payload.size() > kMaxRecordIoPart) {
    throw Error(Kind::kLimit,
                fmt::format("recordio: a record of {} bytes exceeds {}", payload.size(), kMaxRecordIoPart));
  }
  const std::uint32_t words[2] = {
      kRecordIoMagic, (static_cast<std::uint32_t>(flag) << 29) | static_cast<std::uint32_t>(payload.size())};
  out.append(reinterpret_cast<const char*>(words), sizeof words);
  out.append(payload);
  out.append(padded(payload.size()) - payload.size(), '\0');
}

}  // namespace

struct RecordIoReader::Part {
  std::uint32_t flag;
  std::span<const std::byte> payload;
  std::size_t end;  // with padding
};

RecordIoReader::Part RecordIoReader::part_at(std::size_t position) const {
  const std::uint64_t offset = base_ + position;
  const std::size_t left = bytes_.size() - position;
  if (left >= 4 && word_at(bytes_, position) != kRecordIoMagic) {
    throw Error(Kind::kMalformed, fmt::format("{}: byte {}: wrong RecordIO magic number 0x{:08X}, expected 0x{:08X}",
                                              name_, offset, word_at(bytes_, position), kRecordIoMagic));
  }
  if (left < kHeaderBytes) {
    throw Error(Kind::kMalformed, fmt::format("{}: byte {}: cut record header: {} bytes are missing", name_, offset,
                                              kHeaderBytes - left));
  }
  const std::uint32_t word = word_at(bytes_, position + 4);
  const std::size_t size = word & kMaxRecordIoPart;
  if (left < kHeaderBytes + size) {
    throw Error(Kind::kMalformed, fmt::format("{}: byte {}: cut record of {} bytes: {} bytes are missing", name_,
                                              offset, size, kHeaderBytes + size - left));
  }
  // Batch transform strips the last record's padding from a request, so its absence at the end is no error.
  const std::size_t end = std::min(position + kHeaderBytes + padded(size), bytes_.size());
  return {word >> 29, bytes_.subspan(position + kHeaderBytes, size), end};
}

std::optional<RecordIoRecord> RecordIoReader::next() {
  if (position_ == bytes_.size()) return std::nullopt;
  const std::size_t start = position_;
  const Part part = part_at(start);
  // The usual record is returned without a copy.
  if (part.flag != kWhole) return join(start);
  position_ = part.end;
  return RecordIoRecord{part.payload, bytes_.subspan(start, part.end - start), base_ + start};
}

/// Puts the magic words back between the parts of a split record.
RecordIoRecord RecordIoReader::join(std::size_t start) {
  // joined_ is valid until the next call of next().
  joined_.clear();
  std::size_t position = start;
  for (std::uint32_t wanted = kFirst;; wanted = kMiddle) {
    if (position == bytes_.size()) {
      throw Error(Kind::kMalformed,
                  fmt::format("{}: byte {}: split record without its last part", name_, base_ + start));
    }
    const Part part = part_at(position);
    if (part.flag != wanted && !(wanted == kMiddle && part.flag == kLast)) {
      throw Error(Kind::kMalformed, fmt::format("{}: byte {}: continuation flag {} where {} belongs", name_,
                                                base_ + position, part.flag, wanted == kFirst ? "0 or 1" : "2 or 3"));
    }
    if (wanted != kFirst) {
      const auto magic = std::as_bytes(std::span(&kRecordIoMagic, 1));
      joined_.insert(joined_.end(), magic.begin(), magic.end());
    }
    joined_.insert(joined_.end(), part.payload.begin(), part.payload.end());
    position = part.end;
    if (part.flag == kLast) break;
  }
  position_ = position;
  return {joined_, bytes_.subspan(start, position - start), base_ + start};
}

void append_recordio(std::string& out, std::string_view payload) { append_part(out, kWhole, payload); }

// As dmlc-core writes: the payload is cut at each aligned magic word, which is left out and put back by the reader.
void append_recordio_split(std::string& out, std::string_view payload) {
  std::size_t start = 0;
  bool split = false;
  for (std::size_t i = 0; i + 4 <= payload.size(); i += 4) {
    std::uint32_t word;
    std::memcpy(&word, payload.data() + i, sizeof word);
    if (word != kRecordIoMagic) continue;
    append_part(out, split ? kMiddle : kFirst, payload.substr(start, i - start));
    start = i + 4;
    split = true;
  }
  append_part(out, split ? kLast : kWhole, payload.substr(start));
}

}  // namespace clary::formats
