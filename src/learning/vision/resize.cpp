// SPDX-License-Identifier: Apache-2.0
#include "learning/vision/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "learning/vision/kernels.h"

namespace clary::vision {
namespace {

constexpr float kOne = 2048;  // weights have 11 bits

/// Where pixel i of `target` lies between pixels `first` and `first` + 1 of `source`, as OpenCV computes it.
struct Place {
  std::int64_t first;  // -1 .. source - 1
  float right;         // weight of the second, 0 .. 1
};

Place place_of(std::int64_t i, std::int64_t source, std::int64_t target) {
  const double scale = static_cast<double>(source) / static_cast<double>(target);
  const auto at = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
  const float floor = std::floor(at);
  return {static_cast<std::int64_t>(floor), at - floor};
}

/// Along x the weights at the borders are put right; along y (below) it is the row numbers.
Place column_of(std::int64_t i, std::int64_t source, std::int64_t target) {
  const Place place = place_of(i, source, target);
  if (place.first < 0) return {0, 0};
  return place.first >= source - 1 ? Place{source - 1, 0} : place;
}

std::int16_t fixed(float weight) { return static_cast<std::int16_t>(std::lrintf(weight * kOne)); }

}  // namespace

Window source_window(Size source, Size target, const Window& wanted) {
  const auto range = [](std::int64_t from, std::int64_t count, std::int64_t of, std::int64_t to) {
    const std::int64_t first = std::max<std::int64_t>(place_of(from, of, to).first, 0);
    const std::int64_t last = std::min(place_of(from + count - 1, of, to).first + 1, of - 1);
    return std::pair(first, std::max(last - first + 1, std::int64_t{1}));
  };
  const auto [y, height] = range(wanted.y, wanted.height, source.height, target.height);
  const auto [x, width] = range(wanted.x, wanted.width, source.width, target.width);
  return {y, x, height, width};
}

void Resizer::plan_columns(const Picture& part, Size target, const Window& wanted, bool mirror) {
  const auto columns = static_cast<std::size_t>(wanted.width), room = static_cast<std::size_t>(kernels::kPadding);
  offsets_.assign(columns + room, 0);  // those behind the last column read the row's begin
  weights_.assign(4 * columns + 4 * room, 0);
  for (std::int64_t x = 0; x < wanted.width; ++x) {
    const std::int64_t column = wanted.x + (mirror ? wanted.width - 1 - x : x);
    Place place = column_of(column, part.whole().width, target.width);
    std::int16_t weight = fixed(place.right);
    if (weight == static_cast<std::int16_t>(kOne)) weight = 0, ++place.first;  // 2048 would not fit 32 times
    offsets_[static_cast<std::size_t>(x)] = (place.first - part.window().x) * part.channels();
    std::fill_n(weights_.begin() + 4 * x, 4, static_cast<std::int16_t>(weight * 32));
  }
  for (auto& row : rows_) row.resize(4 * columns + 4 * room);
  line_.resize(4 * columns + 4 * room);
  row_numbers_[0] = row_numbers_[1] = -1;
}

/// Source row y (of the whole picture) blended along x; stays valid until a row two away is asked for.
const std::int16_t* Resizer::blended_row(const Picture& part, std::int64_t y) {
  std::int16_t* out = rows_[y % 2].data();
  if (std::exchange(row_numbers_[y % 2], y) == y) return out;
  const std::uint8_t* row = part.row(y - part.window().y);
  const auto columns = static_cast<std::int64_t>(offsets_.size()) - kernels::kPadding;
  if (part.channels() == 3) {
    kernels::blend_columns(row, offsets_.data(), weights_.data(), columns, out);
    return out;
  }
  for (std::int64_t x = 0; x < columns; ++x) {
    const std::uint8_t* pixel = row + offsets_[static_cast<std::size_t>(x)];
    const int weight = static_cast<std::uint16_t>(weights_[static_cast<std::size_t>(4 * x)]) / 32;
    out[x] = static_cast<std::int16_t>((pixel[0] * 2048 + (pixel[1] - pixel[0]) * weight) >> 4);
  }
  return out;
}

void Resizer::resize(const Picture& part, Size target, const Window& wanted, bool mirror, std::uint8_t* out) {
  plan_columns(part, target, wanted, mirror);
  const bool colour = part.channels() == 3;
  const std::int64_t row_bytes = wanted.width * part.channels();
  const std::int64_t last = part.whole().height - 1;
  for (std::int64_t y = 0; y < wanted.height; ++y, out += row_bytes) {
    const Place place = place_of(wanted.y + y, part.whole().height, target.height);
    const std::int16_t* above = blended_row(part, std::clamp<std::int64_t>(place.first, 0, last));
    const std::int16_t* below = blended_row(part, std::clamp<std::int64_t>(place.first + 1, 0, last));
    kernels::blend_rows(above, below, fixed(1 - place.right), fixed(place.right),
                        colour ? 4 * wanted.width : wanted.width, line_.data());
    if (colour) kernels::drop_fourth(line_.data(), wanted.width);
    std::memcpy(out, line_.data(), static_cast<std::size_t>(row_bytes));
  }
}

Picture resized(const Picture& picture, Size target) {
  if (target.height < 1 || target.width < 1) throw Error(Kind::kInternal, "a picture cannot become empty");
  Picture out(target, picture.channels());
  Resizer().resize(picture, target, whole(target), false, out.row(0));
  return out;
}

}  // namespace clary::vision
