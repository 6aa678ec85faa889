// SPDX-License-Identifier: Apache-2.0
// Augmentation beside OpenCV's results; the drawn numbers' ranges.
#include "learning/vision/augment.h"

#include <gtest/gtest.h>

#include <set>

#include "learning/vision/test_data.h"

namespace clary::vision {
namespace {

using tests::distance;
using tests::golden;
using tests::kSize;

TEST(Transform, DiffersFromOpenCvByAtMostOneGreyLevel) {
  const Draw draws[] = {{true, 0.0, 10, 1.0}, {true, 0.1, -7, 0.75}, {true, -0.06, 3, 1.2}};
  for (const std::int64_t channels : {3, 1})
    for (int i = 0; i < 3; ++i)
      tests::for_each_target([&] {
        Picture out;
        transform(golden("picture", kSize, channels), draws[i], out);
        EXPECT_LE(distance(out, golden("transform_" + std::to_string(i), kSize, channels)), 1) << i << " " << channels;
      });
}

TEST(Transform, FillsWithGreyWhatComesFromOutside) {
  Picture out;
  transform(golden("picture", kSize, 3), {true, 0.1, 10, 1}, out);
  EXPECT_EQ(out.row(0)[0], 127);
}

TEST(ShiftColours, DiffersFromOpenCvByAtMostOneGreyLevel) {
  const std::array<int, 3> offsets[] = {{20, -30, 40}, {-36, 50, -50}, {0, 0, 1}};
  for (int i = 0; i < 3; ++i)
    tests::for_each_target([&] {
      Picture picture = golden("picture", kSize, 3);
      Draw draw;
      draw.hls = offsets[i];
      shift_colours(picture.row(0), kSize.height * kSize.width, draw);
      EXPECT_LE(distance(picture, golden("colours_" + std::to_string(i), kSize, 3)), 1) << i;
    });
}

TEST(Draw, FollowsTheKindOfAugmentation) {
  const auto some = [](Augmentation kind) { return draw(kind, numeric::PhiloxStream(1, 2)); };
  EXPECT_FALSE(some(Augmentation::kNone).random_crop);
  EXPECT_TRUE(some(Augmentation::kCrop).random_crop);
  EXPECT_EQ(some(Augmentation::kCrop).hls, (std::array<int, 3>{}));
  EXPECT_NE(some(Augmentation::kCropColor).hls, (std::array<int, 3>{}));
  EXPECT_FALSE(some(Augmentation::kCropColor).transform);
  EXPECT_TRUE(some(Augmentation::kCropColorTransform).transform);
}

TEST(Draw, StaysWithinMxnetsRangesAndReachesTheirEnds) {
  std::set<int> degrees, hues;
  int mirrored = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const Draw d = draw(Augmentation::kCropColorTransform, numeric::PhiloxStream(7, i));
    ASSERT_LE(std::abs(d.shear), 0.1);
    ASSERT_LE(std::abs(d.degrees), 10);
    ASSERT_GE(d.aspect, 0.75);
    ASSERT_LE(d.aspect, 1.25);
    ASSERT_LE(std::abs(d.hls[0]), 36);
    ASSERT_LE(std::max(std::abs(d.hls[1]), std::abs(d.hls[2])), 50);
    degrees.insert(d.degrees), hues.insert(d.hls[0]);
    mirrored += d.mirror ? 1 : 0;
  }
  EXPECT_EQ(degrees.size(), 21U);
  EXPECT_GT(hues.size(), 65U);
  EXPECT_NEAR(mirrored, 1500, 150);
}

TEST(CropWindow, IsInTheCentreOrAnywhere) {
  EXPECT_EQ(crop_window({10, 11}, {5, 4}, {}), (Window{2, 3, 5, 4}));
  std::set<std::int64_t> places;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Window w = crop_window({10, 11}, {5, 4}, draw(Augmentation::kCrop, numeric::PhiloxStream(3, i)));
    ASSERT_TRUE(whole({10, 11}).holds(w));
    places.insert(w.y);
  }
  EXPECT_EQ(places, (std::set<std::int64_t>{0, 1, 2, 3, 4, 5}));
}

TEST(Sizes, AreMxnetsForTheShorterSideAndCoverTheCrop) {
  EXPECT_EQ(with_shorter_side({300, 201}, 256), (Size{382, 256}));
  EXPECT_EQ(with_shorter_side({201, 300}, 256), (Size{256, 382}));
  EXPECT_EQ(covering({300, 201}, {224, 200}), (Size{300, 201}));
  EXPECT_EQ(covering({100, 50}, {224, 224}), (Size{448, 224}));
  EXPECT_EQ(covering({300, 100}, {224, 224}), (Size{672, 224}));
  EXPECT_EQ(covering({3, 7}, {5, 5}), (Size{5, 11}));
  for (std::int64_t h = 1; h < 30; ++h)
    for (std::int64_t w = 1; w < 30; ++w) {
      const Size s = covering({h, w}, {13, 17});
      ASSERT_TRUE(s.height >= 13 && s.width >= 17) << h << " " << w;
    }
}

}  // namespace
}  // namespace clary::vision
