// SPDX-License-Identifier: Apache-2.0
// Colours of files to those of pixels. Internal to vision.
#pragma once

#include <cstdint>

namespace clary::vision {

/// Luma of an RGB pixel, ITU-R BT.601: .299 R + .587 G + .114 B in 15-bit fixed point, as OpenCV rounds it.
constexpr std::uint8_t luma(int r, int g, int b) {
  return static_cast<std::uint8_t>((9798 * r + 19235 * g + 3735 * b + (1 << 14)) >> 15);
}

/// CMYK as JPEG files hold it (Adobe's inverted form, 255 = no ink) to RGB or grey. Like OpenCV: ink of black and of
/// the colour multiply; no colour profiles.
inline void cmyk_to_pixels(const std::uint8_t* cmyk, std::uint8_t* out, std::int64_t pixels, std::int64_t channels) {
  for (std::int64_t i = 0; i < pixels; ++i, cmyk += 4, out += channels) {
    const int k = cmyk[3];
    const auto with_black = [k](int ink) { return k - ((255 - ink) * k >> 8); };
    const int r = with_black(cmyk[0]), g = with_black(cmyk[1]), b = with_black(cmyk[2]);
    if (channels == 1) {
      out[0] = luma(r, g, b);
    } else {
      out[0] = static_cast<std::uint8_t>(r), out[1] = static_cast<std::uint8_t>(g),
      out[2] = static_cast<std::uint8_t>(b);
    }
  }
}

}  // namespace clary::vision
