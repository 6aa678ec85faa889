// SPDX-License-Identifier: Apache-2.0
// Decoded pictures: rows of bytes, channels interleaved (H x W x C; C is 3 for RGB, 1 for grey), 0 black, 255 full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace clary::vision {

struct Size {
  std::int64_t height = 0, width = 0;
  bool operator==(const Size&) const = default;
};

/// A rectangle of a picture.
struct Window {
  std::int64_t y = 0, x = 0, height = 0, width = 0;
  bool operator==(const Window&) const = default;
  bool holds(const Window& other) const {
    return y <= other.y && x <= other.x && other.y + other.height <= y + height && other.x + other.width <= x + width;
  }
};

inline Window whole(Size size) { return {0, 0, size.height, size.width}; }

/// A picture, or a window of a larger one. Keeps its memory from one use to the next. kTailBytes behind the last pixel
/// may be read, so that vector code needs no special case for it.
class Picture {
 public:
  static constexpr std::size_t kTailBytes = 16;

  Picture() = default;
  Picture(Size size, std::int64_t channels) { reshape(size, vision::whole(size), channels); }

  /// Pixels become unspecified. @param whole  the size of the picture of which this is `window`
  void reshape(Size whole, const Window& window, std::int64_t channels) {
    whole_ = whole;
    window_ = window;
    channels_ = channels;
    const std::size_t needed = size_bytes() + kTailBytes;
    if (pixels_.size() < needed) pixels_.resize(needed);
  }

  Size whole() const noexcept { return whole_; }
  const Window& window() const noexcept { return window_; }
  std::int64_t height() const noexcept { return window_.height; }
  std::int64_t width() const noexcept { return window_.width; }
  std::int64_t channels() const noexcept { return channels_; }
  std::int64_t row_bytes() const noexcept { return window_.width * channels_; }
  std::size_t size_bytes() const noexcept { return static_cast<std::size_t>(window_.height * row_bytes()); }

  /// Row y of the window.
  std::uint8_t* row(std::int64_t y) noexcept { return pixels_.data() + y * row_bytes(); }
  const std::uint8_t* row(std::int64_t y) const noexcept { return pixels_.data() + y * row_bytes(); }

 private:
  Size whole_;
  Window window_;
  std::int64_t channels_ = 0;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace clary::vision
