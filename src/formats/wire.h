// SPDX-License-Identifier: Apache-2.0
// The protobuf wire format, bounded: varints, tags and length-delimited fields inside one span. For readers that know
// the fields they want.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace clary::formats::wire {

/// What is wrong with a message; the caller adds where it is.
struct Problem {
  std::string text;
};

enum Type : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kGroup = 3, kGroupEnd = 4, kFixed32 = 5 };

struct Tag {
  std::uint32_t field;
  std::uint32_t type;
};

constexpr int kMaxGroupDepth = 32;

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes)
      : at_(reinterpret_cast<const unsigned char*>(bytes.data())), end_(at_ + bytes.size()) {}

  bool done() const noexcept { return at_ == end_; }

  std::uint64_t varint() {
    if (at_ != end_ && *at_ < 0x80) return *at_++;
    return long_varint();
  }

  Tag tag() {
    const std::uint64_t word = varint();
    if (word >> 32 != 0 || (word >> 3) == 0) throw Problem{"protobuf: a field number is 0 or too large"};
    return {static_cast<std::uint32_t>(word >> 3), static_cast<std::uint32_t>(word & 7)};
  }

  std::span<const std::byte> bytes() {
    const std::uint64_t size = varint();
    if (size > static_cast<std::uint64_t>(end_ - at_)) throw Problem{"protobuf: a field is longer than what holds it"};
    return take(static_cast<std::size_t>(size));
  }

  /// A fixed-width value or a varint as its raw bytes.
  std::span<const std::byte> scalar(std::uint32_t type) {
    if (type == kFixed32) return fixed(4);
    if (type == kFixed64) return fixed(8);
    const unsigned char* start = at_;
    varint();
    return {reinterpret_cast<const std::byte*>(start), static_cast<std::size_t>(at_ - start)};
  }

  void skip(Tag tag, int depth = 0) {
    switch (tag.type) {
      case kVarint:
      case kFixed64:
      case kFixed32:
        scalar(tag.type);
        return;
      case kBytes:
        bytes();
        return;
      case kGroup:
        skip_group(tag.field, depth);
        return;
      default:
        throw Problem{"protobuf: unknown wire type"};
    }
  }

 private:
  std::span<const std::byte> fixed(std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - at_)) throw Problem{"protobuf: a number is cut"};
    return take(size);
  }

  std::span<const std::byte> take(std::size_t size) {
    const auto* start = reinterpret_cast<const std::byte*>(at_);
    at_ += size;
    return {start, size};
  }

  std::uint64_t long_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) throw Problem{"protobuf: a number is cut"};
      const std::uint64_t byte = *at_++;
      if (shift < 64) value |= (byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    throw Problem{"protobuf: a varint is longer than 10 bytes"};
  }

  void skip_group(std::uint32_t field, int depth) {
    if (depth >= kMaxGroupDepth) throw Problem{"protobuf: groups nested deeper than 32"};
    while (true) {
      const Tag inner = tag();
      if (inner.type == kGroupEnd) {
        if (inner.field != field) throw Problem{"protobuf: a group ends with another's number"};
        return;
      }
      skip(inner, depth + 1);
    }
  }

  const unsigned char* at_;
  const unsigned char* end_;
};

inline void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

inline void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  put_varint(out, field << 3 | kBytes);
  put_varint(out, bytes.size());
  out.append(bytes);
}

}  // namespace clary::formats::wire
