// SPDX-License-Identifier: Apache-2.0
#include "formats/recordio_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "formats/recordio.h"

namespace clary::formats {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;
constexpr std::size_t kStepBytes = std::size_t{1}
                                   << 20;  // memory grows as bytes arrive, not as a length word announces
enum PartFlag : std::uint32_t { kWhole = 0, kFirst = 1, kMiddle = 2, kLast = 3 };

}  // namespace

RecordIoStream::RecordIoStream(std::unique_ptr<ByteSource> bytes, std::string name, std::size_t max_record_bytes)
    : bytes_(std::move(bytes)), name_(std::move(name)), max_record_bytes_(max_record_bytes), buffer_(kBufferBytes) {}

bool RecordIoStream::next(std::string& payload) {
  payload.clear();
  std::uint32_t flag = kWhole;
  if (!next_part(payload, flag)) return false;
  if (flag != kWhole && flag != kFirst) fail(fmt::format("begins with continuation flag {}", flag));
  while (flag == kFirst || flag == kMiddle) {
    payload.append(reinterpret_cast<const char*>(&kRecordIoMagic), sizeof kRecordIoMagic);  // cut out by the writer
    if (!next_part(payload, flag)) fail("lacks its last part");
    if (flag != kMiddle && flag != kLast) fail(fmt::format("has continuation flag {} where 2 or 3 belongs", flag));
  }
  ++records_;
  return true;
}

/// Appends one part's payload; false at the end of the stream.
bool RecordIoStream::next_part(std::string& payload, std::uint32_t& flag) {
  std::uint32_t head[2];
  const std::size_t got = take(reinterpret_cast<char*>(head), sizeof head);
  if (got == 0) return false;
  if (got >= sizeof head[0] && head[0] != kRecordIoMagic)
    fail(
        fmt::format("has the wrong magic number 0x{:08X}, expected 0x{:08X}; files that are not RecordIO need "
                    "RecordWrapperType RecordIO",
                    head[0], kRecordIoMagic));
  if (got != sizeof head) fail("is cut within its header");
  flag = head[1] >> 29;
  const std::size_t size = head[1] & kMaxRecordIoPart;
  if (size > max_record_bytes_ || payload.size() > max_record_bytes_ - size)
    throw Error(Kind::kLimit,
                fmt::format("{}: record {} is longer than {} bytes", name_, records_ + 1, max_record_bytes_));
  for (std::size_t have = 0; have < size;) {
    const std::size_t step = std::min(size - have, kStepBytes), start = payload.size();
    payload.resize(start + step);
    const std::size_t read = take(payload.data() + start, step);
    if (read != step) fail(fmt::format("is cut: {} bytes are missing", size - have - read));
    have += step;
  }
  char padding[4];
  const std::size_t padded = (4 - size % 4) % 4;
  if (take(padding, padded) != padded) fail("is cut within its padding");
  return true;
}

/// Fewer than `count` bytes only at the end.
std::size_t RecordIoStream::take(char* to, std::size_t count) {
  std::size_t have = 0;
  while (have < count) {
    if (at_ == filled_) {
      at_ = 0;
      filled_ = bytes_->read(buffer_);
      if (filled_ == 0) break;
    }
    const std::size_t step = std::min(count - have, filled_ - at_);
    std::memcpy(to + have, buffer_.data() + at_, step);
    at_ += step;
    have += step;
  }
  return have;
}

void RecordIoStream::fail(const std::string& problem) const {
  throw Error(Kind::kMalformed, fmt::format("{}: record {} {}", name_, records_ + 1, problem));
}

}  // namespace clary::formats
