// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/data/prepare.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"

namespace clary::image_classification {
namespace {

using vision::Picture;
using vision::Size;
using vision::Window;

/// The pixels of `wanted`, from right to left with `mirror`.
void copy_window(const Picture& from, const Window& wanted, bool mirror, std::uint8_t* out) {
  const std::int64_t channels = from.channels(), row_bytes = wanted.width * channels;
  for (std::int64_t y = 0; y < wanted.height; ++y, out += row_bytes) {
    const std::uint8_t* row = from.row(wanted.y - from.window().y + y) + (wanted.x - from.window().x) * channels;
    if (!mirror) {
      std::memcpy(out, row, static_cast<std::size_t>(row_bytes));
      continue;
    }
    const std::uint8_t* pixel = row + row_bytes - channels;
    for (std::int64_t i = 0; i < row_bytes; i += channels, pixel -= channels)
      for (std::int64_t c = 0; c < channels; ++c) out[i + c] = pixel[c];
  }
}

}  // namespace

bool Preparer::prepare(std::span<const std::byte> file, const vision::Draw& draw, std::uint8_t* out) {
  const Size crop{image_.height, image_.width};
  const Size size = decoder_.open(file);
  const Size wished = resize_ ? vision::with_shorter_side(size, *resize_) : size;
  const Size target = vision::covering(wished, crop);
  const Window window = vision::crop_window(target, crop, draw);
  if (draw.transform) {
    transformed(size, target, window, draw, out);
  } else if (target == size) {
    decoder_.read(window, decoded_);
    copy_window(decoded_, window, draw.mirror, out);
  } else {
    decoder_.read(vision::source_window(size, target, window), decoded_);
    resizer_.resize(decoded_, target, window, draw.mirror, out);
  }
  if (image_.channels == 3) vision::shift_colours(out, crop.height * crop.width, draw);
  return target != wished;
}

std::int64_t Preparer::stretch(std::span<const std::byte> file, std::int64_t pixels, std::uint8_t* out) {
  const Size size = decoder_.open(file), target{image_.height, image_.width};
  // open() has bounded both edges.
  if (size.height * size.width > pixels)
    throw Error(Kind::kLimit,
                fmt::format("{} x {} pixels are more than the {} that are left", size.width, size.height, pixels));
  decoder_.read(vision::whole(size), decoded_);
  if (size == target)
    copy_window(decoded_, vision::whole(size), false, out);
  else
    resizer_.resize(decoded_, target, vision::whole(target), false, out);
  return size.height * size.width;
}

/// A transformation moves pixels far: it needs the whole picture.
void Preparer::transformed(Size size, Size target, const Window& crop, const vision::Draw& draw, std::uint8_t* out) {
  const std::int64_t limit = vision::DecodeLimits{}.pixels;
  if (target.height > limit / target.width)
    throw Error(Kind::kLimit,
                fmt::format("{} x {} pixels after resizing exceed {}", target.width, target.height, limit));
  decoder_.read(vision::whole(size), decoded_);
  const Picture* picture = &decoded_;
  if (target != size) {
    resized_.reshape(target, vision::whole(target), image_.channels);
    resizer_.resize(decoded_, target, vision::whole(target), false, resized_.row(0));
    picture = &resized_;
  }
  vision::transform(*picture, draw, transformed_);
  copy_window(transformed_, crop, draw.mirror, out);
}

}  // namespace clary::image_classification
