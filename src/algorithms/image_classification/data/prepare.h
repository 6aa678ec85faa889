// SPDX-License-Identifier: Apache-2.0
// A picture file to the bytes that the network reads: decode, resize the shorter side, enlarge what is too small,
// transform, crop, shift colours, mirror. Only what the crop shows is decoded and resized.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "learning/nn/graph.h"
#include "learning/vision/augment.h"
#include "learning/vision/decode.h"
#include "learning/vision/resize.h"

namespace clary::image_classification {

/// One thread's; keeps its memory.
class Preparer {
 public:
  /// @param resize  the shorter side before the crop; none: pictures stay as they are
  Preparer(const nn::MapShape& image, std::optional<std::int64_t> resize)
      : image_(image), resize_(resize), decoder_(image.channels) {}

  /// @param out  [H, W, C]
  /// @return whether the picture was smaller than H x W and had to be enlarged
  /// @throws Error as vision::Decoder does; Error{kLimit} when the resized picture would be too large
  bool prepare(std::span<const std::byte> file, const vision::Draw& draw, std::uint8_t* out);

  /// The whole picture, whatever its aspect: what AWS's container serves. @param pixels  of the file at most
  /// @return pixels of the file. @throws Error as vision::Decoder does
  std::int64_t stretch(std::span<const std::byte> file, std::int64_t pixels, std::uint8_t* out);

 private:
  void transformed(vision::Size size, vision::Size target, const vision::Window& crop, const vision::Draw& draw,
                   std::uint8_t* out);

  nn::MapShape image_;
  std::optional<std::int64_t> resize_;
  vision::Decoder decoder_;
  vision::Resizer resizer_;
  vision::Picture decoded_, resized_, transformed_;
};

}  // namespace clary::image_classification
