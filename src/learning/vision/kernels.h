// SPDX-License-Identifier: Apache-2.0
// The inner loops of resizing and augmentation, for whatever vectors the CPU has. Internal to vision.
#pragma once

#include <cstdint>

namespace clary::vision::kernels {

constexpr std::int64_t kPadding = 64;  // numbers behind every row of the arguments that may be read and overwritten

/// Blends neighbouring pixels of one RGB row: with a, b the pixels at row + offsets[i] and right of it,
///   out[4 i + c] = floor((a[c] (2048 - w) + b[c] w) / 16),  w = weights[4 i + c] / 32 in 0..2047, 16-bit two's
///   complement
/// Channel 3 is unspecified. Reads 8 bytes at each offset.
void blend_columns(const std::uint8_t* row, const std::int64_t* offsets, const std::int16_t* weights,
                   std::int64_t columns, std::int16_t* out);

/// out[i] = ((a[i] weight_a >> 16) + (b[i] weight_b >> 16) + 2) >> 2, limited to 0..255
void blend_rows(const std::int16_t* a, const std::int16_t* b, std::int16_t weight_a, std::int16_t weight_b,
                std::int64_t count, std::uint8_t* out);

/// In place: the first three of every four bytes. @param columns  groups of four
void drop_fourth(std::uint8_t* line, std::int64_t columns);

/// What one row of an affine map reads. Places are in 1/1024 pixel of a picture that has a border of two pixels.
struct AffineRow {
  const std::uint8_t* pixels;   // the border's first, RGB; 8 bytes behind the last may be read
  std::int64_t stride;          // bytes of a row with its borders
  std::int64_t height, width;   // without borders
  std::int64_t y, x;            // place of column 0, rounding included
  const std::int64_t *dy, *dx;  // by column, what is added to y and x
};

/// out[4 i + c] = the RGB picture at column i's place, bilinear to 1/32 pixel; bytes 4 i + 3 are unspecified.
void sample_row(const AffineRow& row, std::int64_t columns, std::uint8_t* out);

/// Adds to hue (0..180), lightness and saturation (0..255) of RGB pixels, in place; sums are limited.
/// @param count  a multiple of 64
void shift_colours(std::uint8_t* pixels, std::int64_t count, int hue, int lightness, int saturation);

}  // namespace clary::vision::kernels
