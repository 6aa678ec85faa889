// SPDX-License-Identifier: Apache-2.0
#include "learning/vision/augment.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace clary::vision {
namespace {

/// Uniform in [0, 1).
double uniform(numeric::PhiloxStream& stream) { return static_cast<double>(stream.next64() >> 11) * 0x1p-53; }

double uniform(numeric::PhiloxStream& stream, double from, double to) { return from + (to - from) * uniform(stream); }

/// Source: image_aug_default.cc, random_h, random_s, random_l: most offsets are small.
int colour_offset(numeric::PhiloxStream& stream, int limit) {
  const double a = uniform(stream), b = uniform(stream);
  return static_cast<int>((a + 4 * b) / 5 * limit * 2 - limit);
}

// ---- affine

constexpr int kPlaceBits = 10;  // of source coordinates, as in cv::warpAffine
constexpr int kWeightBits = 5;  // of the places between pixels
constexpr int kOutside = 127;   // MXNet's example passes fill_value 127

/// x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]
using Affine = std::array<double, 6>;

Affine forward_of(const Draw& d, Size size) {
  const double angle = d.degrees / 180.0 * std::numbers::pi;
  const double a = std::cos(angle), b = std::sin(angle);
  const double hs = 2 / (1 + d.aspect), ws = d.aspect * hs;
  Affine m{hs * a - d.shear * b * ws, hs * b + d.shear * a * ws, 0, -b * ws, a * ws, 0};
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  m[2] = (width - (m[0] * width + m[1] * height)) / 2;
  m[5] = (height - (m[3] * width + m[4] * height)) / 2;
  return m;
}

Affine inverse_of(const Affine& m) {
  const double determinant = m[0] * m[4] - m[1] * m[3];  // hs ws times 1 + a small product: never near 0
  const double d = 1 / determinant;
  Affine out{m[4] * d, -m[1] * d, 0, -m[3] * d, m[0] * d, 0};
  out[2] = -out[0] * m[2] - out[1] * m[5];
  out[5] = -out[3] * m[2] - out[4] * m[5];
  return out;
}

std::int64_t to_place(double coordinate) { return std::llrint(coordinate * (1 << kPlaceBits)); }

/// One output pixel from the four around (x, y), which are in units of 1/32 pixel.
void sample(const Picture& picture, std::int64_t x, std::int64_t y, std::uint8_t* out) {
  constexpr int kOne = 1 << kWeightBits;
  const std::int64_t left = x >> kWeightBits, top = y >> kWeightBits;
  const int fx = static_cast<int>(x & (kOne - 1)), fy = static_cast<int>(y & (kOne - 1));
  const std::int64_t channels = picture.channels();
  const bool inside = left >= 0 && top >= 0 && left + 1 < picture.width() && top + 1 < picture.height();
  const auto at = [&](std::int64_t row, std::int64_t column, std::int64_t c) -> int {
    if (!inside && (row < 0 || column < 0 || row >= picture.height() || column >= picture.width())) return kOutside;
    return picture.row(row)[column * channels + c];
  };
  for (std::int64_t c = 0; c < channels; ++c) {
    const int upper = at(top, left, c) * (kOne - fx) + at(top, left + 1, c) * fx;
    const int lower = at(top + 1, left, c) * (kOne - fx) + at(top + 1, left + 1, c) * fx;
    out[c] = static_cast<std::uint8_t>((upper * (kOne - fy) + lower * fy + kOne * kOne / 2) >> (2 * kWeightBits));
  }
}

// ---- colours, by the formulas of cv::cvtColor (RGB <-> HLS) in float32

struct Hls {
  float hue, lightness, saturation;  // degrees, 0..1, 0..1
};

Hls to_hls(float r, float g, float b) {
  const float most = std::max({r, g, b}), least = std::min({r, g, b}), range = most - least;
  Hls out{0, (most + least) / 2, 0};
  if (range <= 1e-7F) return out;
  out.saturation = out.lightness < 0.5F ? range / (most + least) : range / (2 - most - least);
  const float degrees = 60 / range;
  if (most == r) {
    out.hue = (g - b) * degrees;
  } else if (most == g) {
    out.hue = (b - r) * degrees + 120;
  } else {
    out.hue = (r - g) * degrees + 240;
  }
  if (out.hue < 0) out.hue += 360;
  return out;
}

/// One channel, at its distance in hue (in sixths of the circle) from red.
float channel_of(float low, float high, float sixths) {
  if (sixths < 0) sixths += 6;
  if (sixths >= 6) sixths -= 6;
  if (sixths < 1) return low + (high - low) * sixths;
  if (sixths < 3) return high;
  return sixths < 4 ? low + (high - low) * (4 - sixths) : low;
}

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::clamp(std::lrintf(value), 0L, 255L)); }

float limited(float value, int offset, float limit) {
  return std::clamp(std::nearbyint(value) + static_cast<float>(offset), 0.0F, limit);
}

void shift_pixel(std::uint8_t* rgb, const std::array<int, 3>& offsets) {
  constexpr float kScale = 1.0F / 255;
  const Hls hls = to_hls(static_cast<float>(rgb[0]) * kScale, static_cast<float>(rgb[1]) * kScale,
                         static_cast<float>(rgb[2]) * kScale);
  const float hue = limited(hls.hue / 2, offsets[0], 180);
  const float l = limited(hls.lightness * 255, offsets[1], 255) * kScale;
  const float s = limited(hls.saturation * 255, offsets[2], 255) * kScale;
  const float high = l <= 0.5F ? l * (1 + s) : l + s - l * s, low = 2 * l - high;
  const float sixths = hue / 30;
  rgb[0] = to_byte(channel_of(low, high, sixths + 2) * 255);
  rgb[1] = to_byte(channel_of(low, high, sixths) * 255);
  rgb[2] = to_byte(channel_of(low, high, sixths - 2) * 255);
}

}  // namespace

Draw draw(Augmentation augmentation, numeric::PhiloxStream stream) {
  Draw out;
  if (augmentation == Augmentation::kNone) return out;
  out.random_crop = true;
  out.crop_y = uniform(stream);
  out.crop_x = uniform(stream);
  out.mirror = stream.below(2) == 1;
  if (augmentation == Augmentation::kCrop) return out;
  // MXNet's limits: 36 of 180 for hue, 50 of 255 for the others.
  out.hls = {colour_offset(stream, 36), colour_offset(stream, 50), colour_offset(stream, 50)};
  if (augmentation == Augmentation::kCropColor) return out;
  out.transform = true;
  out.shear = uniform(stream, -0.1, 0.1);
  out.degrees = static_cast<int>(stream.below(21)) - 10;
  out.aspect = uniform(stream, 0.75, 1.25);
  return out;
}

Window crop_window(Size picture, Size size, const Draw& draw) {
  const auto place = [&](std::int64_t room, double at) {  // any of the room + 1 with the same probability
    if (!draw.random_crop) return room / 2;
    return std::min(static_cast<std::int64_t>(at * static_cast<double>(room + 1)), room);
  };
  return {place(picture.height - size.height, draw.crop_y), place(picture.width - size.width, draw.crop_x), size.height,
          size.width};
}

void transform(const Picture& picture, const Draw& draw, Picture& out) {
  out.reshape(picture.whole(), picture.window(), picture.channels());
  const Affine m = inverse_of(forward_of(draw, picture.whole()));
  constexpr int kDropped = kPlaceBits - kWeightBits;
  constexpr std::int64_t kRounding = 1 << (kDropped - 1);
  for (std::int64_t y = 0; y < out.height(); ++y) {
    const std::int64_t x0 = to_place(m[1] * static_cast<double>(y) + m[2]) + kRounding;
    const std::int64_t y0 = to_place(m[4] * static_cast<double>(y) + m[5]) + kRounding;
    std::uint8_t* to = out.row(y);
    for (std::int64_t x = 0; x < out.width(); ++x, to += out.channels()) {
      const auto at = static_cast<double>(x);
      sample(picture, (x0 + to_place(m[0] * at)) >> kDropped, (y0 + to_place(m[3] * at)) >> kDropped, to);
    }
  }
}

void shift_colours(std::uint8_t* pixels, std::int64_t count, const Draw& draw) {
  if (draw.hls == std::array<int, 3>{}) return;
  for (std::int64_t i = 0; i < count; ++i) shift_pixel(pixels + 3 * i, draw.hls);
}

Size with_shorter_side(Size picture, std::int64_t shorter) {
  if (picture.height > picture.width) return {shorter * picture.height / picture.width, shorter};
  return {shorter, shorter * picture.width / picture.height};
}

Size covering(Size picture, Size crop) {
  if (picture.height >= crop.height && picture.width >= crop.width) return picture;
  // One side becomes the crop's: that whose factor is larger.
  if (crop.height * picture.width >= crop.width * picture.height)
    return {crop.height, std::max(crop.width, crop.height * picture.width / picture.height)};
  return {std::max(crop.height, crop.width * picture.height / picture.width), crop.width};
}

}  // namespace clary::vision
