// SPDX-License-Identifier: Apache-2.0
// Bilinear resizing with OpenCV's arithmetic (cv::resize with INTER_LINEAR on 8-bit pixels: centres of pixels half a
// pixel in, weights of 11 bits, no smoothing when a picture gets smaller), so that networks see what those trained and
// served by MXNet see. Kernels (Highway) for SSSE3, AVX2 and AVX-512 are chosen at run time; all give the same bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "learning/vision/picture.h"

namespace clary::vision {

/// The rectangle of the source that pixels in `wanted` of a picture of size `target`, made from one of size `source`,
/// are computed from.
Window source_window(Size source, Size target, const Window& wanted);

/// Resizes parts of pictures; keeps its memory. One thread's.
class Resizer {
 public:
  /// out[y, x] = resized picture[wanted.y + y, wanted.x + x], with `mirror` from right to left.
  /// @param part    the picture, or a window of it that holds source_window()
  /// @param target  size of the whole resized picture
  /// @param out     [wanted.height, wanted.width, channels of part], rows without gaps; not within `part`
  void resize(const Picture& part, Size target, const Window& wanted, bool mirror, std::uint8_t* out);

 private:
  void plan_columns(const Picture& part, Size target, const Window& wanted, bool mirror);
  const std::int16_t* blended_row(const Picture& part, std::int64_t y);

  // By column of the output: where its left source pixel begins in a row, and the weight of the right one, for each of
  // four channels.
  std::vector<std::int64_t> offsets_;
  std::vector<std::int16_t> weights_;
  // Two source rows blended along x, by source row modulo 2, as 16-bit numbers of 7 fraction bits.
  std::vector<std::int16_t> rows_[2];
  std::int64_t row_numbers_[2] = {-1, -1};
  std::vector<std::uint8_t> line_;  // one output row with room behind it
};

/// A whole picture. @throws Error{kInternal} for an empty size
Picture resized(const Picture& picture, Size target);

}  // namespace clary::vision
