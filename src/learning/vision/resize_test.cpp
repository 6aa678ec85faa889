// SPDX-License-Identifier: Apache-2.0
// Resizing beside OpenCV's results and beside a plain loop.
#include "learning/vision/resize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "learning/vision/test_data.h"

namespace clary::vision {
namespace {

using tests::distance;
using tests::golden;
using tests::kSize;

TEST(Resize, DiffersFromOpenCvByAtMostOneGreyLevel) {
  for (const std::int64_t channels : {3, 1}) {
    const Picture picture = golden("picture", kSize, channels);
    for (const Size size : {Size{32, 40}, Size{24, 31}, Size{94, 122}, Size{60, 33}, Size{47, 20}, Size{1, 1},
                            Size{7, 61}, Size{128, 9}}) {
      const std::string name = "resize_" + std::to_string(size.height) + "_" + std::to_string(size.width);
      const Picture expected = golden(name, size, channels);
      tests::for_each_target(
          [&] { EXPECT_LE(distance(resized(picture, size), expected), 1) << name << " " << channels; });
    }
  }
}

/// In double, without fixed point.
double exact(const Picture& from, Size target, std::int64_t y, std::int64_t x, std::int64_t c) {
  const auto at = [](std::int64_t i, std::int64_t source, std::int64_t to) {
    const double place = (static_cast<double>(i) + 0.5) * static_cast<double>(source) / static_cast<double>(to) - 0.5;
    return std::clamp(place, 0.0, static_cast<double>(source - 1));
  };
  const double py = at(y, from.height(), target.height), px = at(x, from.width(), target.width);
  const auto top = static_cast<std::int64_t>(py), left = static_cast<std::int64_t>(px);
  const double fy = py - static_cast<double>(top), fx = px - static_cast<double>(left);
  const auto pixel = [&](std::int64_t row, std::int64_t column) {
    row = std::min(row, from.height() - 1), column = std::min(column, from.width() - 1);
    return static_cast<double>(from.row(row)[column * from.channels() + c]);
  };
  return (pixel(top, left) * (1 - fx) + pixel(top, left + 1) * fx) * (1 - fy) +
         (pixel(top + 1, left) * (1 - fx) + pixel(top + 1, left + 1) * fx) * fy;
}

TEST(Resize, IsBilinear) {
  for (const std::int64_t channels : {3, 1}) {
    const Picture picture = golden("picture", kSize, channels);
    for (std::int64_t width = 1; width < 140; width += 3) {
      const Size target{1 + width * 5 % 97, width};
      const Picture out = resized(picture, target);
      for (std::int64_t y = 0; y < target.height; ++y)
        for (std::int64_t i = 0; i < width * channels; ++i)
          ASSERT_NEAR(out.row(y)[i], exact(picture, target, y, i / channels, i % channels), 1.2)
              << width << " " << y << " " << i;
    }
  }
}

TEST(Resize, GivesAWindowFromAWindowAndMirrors) {
  for (const std::int64_t channels : {3, 1}) {
    const Picture picture = golden("picture", kSize, channels);
    const Size target{71, 90};
    const Picture all = resized(picture, target);
    for (const Window wanted : {Window{0, 0, 71, 90}, Window{10, 20, 30, 40}, Window{70, 89, 1, 1}, Window{5, 0, 66, 7},
                                Window{0, 83, 1, 7}}) {
      const Window needed = source_window(kSize, target, wanted);
      Picture part;
      part.reshape(kSize, needed, channels);
      for (std::int64_t y = 0; y < needed.height; ++y)
        std::memcpy(part.row(y), picture.row(needed.y + y) + needed.x * channels,
                    static_cast<std::size_t>(needed.width * channels));
      std::vector<std::uint8_t> out(static_cast<std::size_t>(wanted.height * wanted.width * channels));
      for (const bool mirror : {false, true}) {
        Resizer().resize(part, target, wanted, mirror, out.data());
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(out.size()); ++i) {
          const std::int64_t y = i / channels / wanted.width, x = i / channels % wanted.width;
          const std::int64_t column = wanted.x + (mirror ? wanted.width - 1 - x : x);
          ASSERT_EQ(out[static_cast<std::size_t>(i)], all.row(wanted.y + y)[column * channels + i % channels]);
        }
      }
    }
  }
}

TEST(Resize, GivesTheSameBytesWithEveryInstructionSet) {
  const Picture picture = golden("picture", kSize, 3);
  const Picture first = resized(picture, {77, 45});
  tests::for_each_target([&] { EXPECT_EQ(distance(resized(picture, {77, 45}), first), 0); });
}

TEST(Resize, WritesNothingBehindItsOutput) {
  const Picture picture = golden("picture", kSize, 3);
  for (std::int64_t width = 1; width < 40; ++width) {
    std::vector<std::uint8_t> out(static_cast<std::size_t>(width * 3 * 3) + 32, 0xAB);
    Resizer().resize(picture, {3, width}, {0, 0, 3, width}, false, out.data());
    for (std::size_t i = out.size() - 32; i < out.size(); ++i) ASSERT_EQ(out[i], 0xAB);
  }
}

}  // namespace
}  // namespace clary::vision
