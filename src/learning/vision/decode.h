// SPDX-License-Identifier: Apache-2.0
// JPEG (libjpeg-turbo) and PNG (libspng) files to pixels: baseline and progressive, grey, RGB, CMYK and YCCK; PNG of
// every type, 16 bits cut to the upper 8, transparency dropped, animations by their first frame. Orientation marks
// (EXIF) are not applied. The bytes are hostile: their number, the number of pixels and, for progressive JPEGs, the
// number of scans are bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "learning/vision/picture.h"

namespace clary::vision {

struct DecodeLimits {
  std::size_t bytes = std::size_t{256} << 20;
  std::int64_t pixels = 100'000'000;
};

/// Decodes one picture after the other and keeps its memory. One thread's.
class Decoder {
 public:
  /// @param channels  of the pixels: 3 (RGB) or 1 (grey; the luma of colour pictures)
  explicit Decoder(std::int64_t channels, DecodeLimits limits = {});
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  /// Reads the header. `bytes` must live until read() is done.
  /// @throws Error{kMalformed} when it is no JPEG or PNG (naming the format where it is a known one) or a damaged one,
  /// Error{kLimit} beyond the limits; messages do not say which picture it is
  Size open(std::span<const std::byte> bytes);

  /// Decodes the opened picture, at least `wanted` of it: out.window() says what is there. Pixels in `wanted` do not
  /// depend on it. What lies outside is not decoded where that saves time.
  /// @throws Error{kMalformed} for damaged or cut data, Error{kLimit} for a progressive JPEG with too many scans
  void read(const Window& wanted, Picture& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A whole picture. @throws as Decoder does
Picture decode(std::span<const std::byte> bytes, std::int64_t channels, DecodeLimits limits = {});

/// Whether the bytes begin as a JPEG or a PNG file does.
bool looks_like_picture(std::span<const std::byte> bytes) noexcept;

}  // namespace clary::vision
