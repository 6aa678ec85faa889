// SPDX-License-Identifier: Apache-2.0
// Reads little-endian values from foreign bytes and never past their end. For readers of model files.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace clary::artifact {

class ByteCursor {
 public:
  ByteCursor(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  template <class T>
  T take(std::string_view what) {
    require(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  /// Exactly this value.
  template <class T>
  T expect(std::string_view what, T wanted) {
    const std::size_t at = at_;
    const T value = take<T>(what);
    if (value != wanted) fail(at, fmt::format("{} is {}, must be {}", what, +value, +wanted));
    return value;
  }

  /// An integer from low to high.
  template <std::integral T>
  T between(std::string_view what, std::int64_t low, std::int64_t high = std::numeric_limits<T>::max()) {
    const std::size_t at = at_;
    const T value = take<T>(what);
    if (value < low || value > high)
      fail(at, high == std::numeric_limits<T>::max()
                   ? fmt::format("{} is {}, must be at least {}", what, value, low)
                   : fmt::format("{} is {}, must be {} to {}", what, value, low, high));
    return value;
  }

  /// One byte, 0 or 1.
  bool flag(std::string_view what) { return between<std::uint8_t>(what, 0, 1) != 0; }

  /// Text up to a NUL byte, which is skipped.
  std::string_view text(std::string_view what) {
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + at_;
    const void* end = left() == 0 ? nullptr : std::memchr(begin, 0, left());
    if (end == nullptr) fail(at_, fmt::format("{} is not ended by a NUL byte", what));
    const std::string_view out(begin, static_cast<std::size_t>(static_cast<const char*>(end) - begin));
    at_ += out.size() + 1;
    return out;
  }

  /// The bytes of `count` values of `unit` bytes each.
  std::span<const std::byte> block(std::uint64_t count, std::uint64_t unit, std::string_view what) {
    if (count > left() / unit)
      fail(at_, fmt::format("{} needs {} values of {} bytes, the file has {} more bytes", what, count, unit, left()));
    const auto out = bytes_.subspan(at_, static_cast<std::size_t>(count * unit));
    at_ += out.size();
    return out;
  }

  /// A count of things of `unit` bytes (>= 1) each that must fit into what is left.
  std::uint64_t count(std::string_view what, std::uint64_t unit) {
    const std::size_t at = at_;
    const auto value = take<std::uint64_t>(what);
    if (value > left() / unit) {
      fail(at, fmt::format("{} is {}, but only {} bytes follow", what, value, left()));
    }
    return value;
  }

  /// Four characters.
  std::string_view tag() {
    require(4, "type tag");
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + at_), 4);
    at_ += 4;
    return text;
  }

  /// The next `size` bytes.
  std::span<const std::byte> skip(std::uint64_t size, std::string_view what) {
    require(size, what);
    const auto out = bytes_.subspan(at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return out;
  }

  std::uint64_t left() const { return bytes_.size() - at_; }
  std::size_t at() const { return at_; }

  [[noreturn]] void fail(std::size_t at, const std::string& problem) const {
    throw Error(Kind::kMalformed, fmt::format("{}: byte {}: {}", name_, at, problem));
  }

 private:
  void require(std::uint64_t size, std::string_view what) const {
    if (size > left()) fail(at_, fmt::format("{} needs {} bytes, the file has {} more", what, size, left()));
  }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
};

}  // namespace clary::artifact
