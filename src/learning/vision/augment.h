// SPDX-License-Identifier: Apache-2.0
// Random changes of training pictures, as MXNet 1.3's src/io/image_aug_default.cc makes them: pure functions of a
// picture and of numbers that were drawn before.
#pragma once

#include <array>
#include <cstdint>

#include "learning/numeric/philox.h"
#include "learning/vision/picture.h"

namespace clary::vision {

enum class Augmentation { kNone, kCrop, kCropColor, kCropColorTransform };

/// What is random about one picture. The defaults change nothing (crop in the centre).
struct Draw {
  bool transform = false;         // whether the three below count
  double shear = 0;               // -0.1 .. 0.1
  int degrees = 0;                // -10 .. 10
  double aspect = 1;              // 0.75 .. 1.25
  bool random_crop = false;       // else in the centre
  double crop_y = 0, crop_x = 0;  // 0 .. 1 of the room that the crop leaves
  std::array<int, 3> hls{};       // added to hue (half degrees), lightness, saturation (0..255)
  bool mirror = false;
};

/// Draws for one picture, from a stream of its own: the same numbers on whatever thread and in whatever order.
Draw draw(Augmentation augmentation, numeric::PhiloxStream stream);

/// The crop of `size` in a picture that is at least as large: in the centre (rounded down), or at crop_y, crop_x.
Window crop_window(Size picture, Size size, const Draw& draw);

/// The whole picture sheared, turned and stretched around its centre (cv::warpAffine with INTER_LINEAR, to 1/32 pixel);
/// what comes from outside is grey 127. With h = 2 / (1 + aspect), w = aspect h, c and s of the angle, p = shear, the
/// picture's point (x, y) moves by
///   x' = (h c - p s w) x + (h s + p c w) y + tx,  y' = -w s x + w c y + ty
void transform(const Picture& picture, const Draw& draw, Picture& out);

/// Adds draw.hls to hue, lightness and saturation of `count` RGB pixels in OpenCV's 8-bit scales (hue 0..180, the
/// others 0..255); sums are limited to the scale, hue does not wrap.
void shift_colours(std::uint8_t* pixels, std::int64_t count, const Draw& draw);

/// Shorter side becomes `shorter`; the longer one is rounded down.
Size with_shorter_side(Size picture, std::int64_t shorter);

/// `picture` if it covers `crop`, else the smallest size of its proportions that does.
Size covering(Size picture, Size crop);

}  // namespace clary::vision
