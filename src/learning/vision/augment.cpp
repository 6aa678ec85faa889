// SPDX-License-Identifier: Apache-2.0
#include "learning/vision/augment.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "learning/vision/kernels.h"

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
constexpr int kDroppedBits = kPlaceBits - kWeightBits;
constexpr int kOutside = 127;        // MXNet's example passes fill_value 127
constexpr std::int64_t kBorder = 2;  // pixels: a place beyond reads only of them

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

/// The picture with kBorder pixels of what lies outside on each side.
Picture with_border(const Picture& picture) {
  const std::int64_t channels = picture.channels(), side = kBorder * channels;
  Picture out({picture.height() + 2 * kBorder, picture.width() + 2 * kBorder}, channels);
  std::memset(out.row(0), kOutside, out.size_bytes());
  for (std::int64_t y = 0; y < picture.height(); ++y)
    std::memcpy(out.row(y + kBorder) + side, picture.row(y), static_cast<std::size_t>(picture.row_bytes()));
  return out;
}

/// The plain form of kernels::sample_row, for grey.
void sample_grey_row(const kernels::AffineRow& row, std::int64_t columns, std::uint8_t* out) {
  constexpr int kOne = 1 << kWeightBits;
  for (std::int64_t i = 0; i < columns; ++i) {
    const std::int64_t x = (row.x + row.dx[i]) >> kDroppedBits, y = (row.y + row.dy[i]) >> kDroppedBits;
    const int fx = static_cast<int>(x & (kOne - 1)), fy = static_cast<int>(y & (kOne - 1));
    const std::int64_t left = std::clamp(x >> kWeightBits, -kBorder, row.width) + kBorder;
    const std::int64_t top = std::clamp(y >> kWeightBits, -kBorder, row.height) + kBorder;
    const std::uint8_t* at = row.pixels + top * row.stride + left;
    const int upper = at[0] * (kOne - fx) + at[1] * fx;
    const int lower = at[row.stride] * (kOne - fx) + at[row.stride + 1] * fx;
    out[i] = static_cast<std::uint8_t>((upper * (kOne - fy) + lower * fy + kOne * kOne / 2) >> (2 * kWeightBits));
  }
}

/// Places of columns relative to that of column 0, with room behind for vectors.
std::vector<std::int64_t> steps(double per_column, std::int64_t columns) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(columns + kernels::kPadding));
  for (std::int64_t i = 0; i < columns; ++i)
    out[static_cast<std::size_t>(i)] = to_place(per_column * static_cast<double>(i));
  return out;
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
  const Picture bordered = with_border(picture);
  const std::int64_t width = out.width();
  const std::vector<std::int64_t> dx = steps(m[0], width), dy = steps(m[3], width);
  std::vector<std::uint8_t> line(static_cast<std::size_t>(4 * (width + kernels::kPadding)));
  kernels::AffineRow row{bordered.row(0), bordered.row_bytes(), out.height(), width, 0, 0, dy.data(), dx.data()};
  constexpr std::int64_t kRounding = 1 << (kDroppedBits - 1);
  for (std::int64_t y = 0; y < out.height(); ++y) {
    row.x = to_place(m[1] * static_cast<double>(y) + m[2]) + kRounding;
    row.y = to_place(m[4] * static_cast<double>(y) + m[5]) + kRounding;
    if (out.channels() == 1) {
      sample_grey_row(row, width, out.row(y));
      continue;
    }
    kernels::sample_row(row, width, line.data());
    kernels::drop_fourth(line.data(), width);
    std::memcpy(out.row(y), line.data(), static_cast<std::size_t>(out.row_bytes()));
  }
}

void shift_colours(std::uint8_t* pixels, std::int64_t count, const Draw& draw) {
  const auto [hue, lightness, saturation] = draw.hls;
  if (hue == 0 && lightness == 0 && saturation == 0) return;
  constexpr std::int64_t kUnit = 64;
  const std::int64_t most = count / kUnit * kUnit;
  kernels::shift_colours(pixels, most, hue, lightness, saturation);
  if (most == count) return;
  std::array<std::uint8_t, 3 * kUnit> last{};  // the rest, with room
  const auto bytes = static_cast<std::size_t>(3 * (count - most));
  std::memcpy(last.data(), pixels + 3 * most, bytes);
  kernels::shift_colours(last.data(), kUnit, hue, lightness, saturation);
  std::memcpy(pixels + 3 * most, last.data(), bytes);
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
