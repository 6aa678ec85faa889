// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/resnet.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "learning/nn/parameters.h"

namespace clary::image_classification {
namespace {

struct Size {
  std::int64_t layers, edge, classes, learned, multiply_adds;  // the last in units of 100,000; 0: not published
};

class ResnetSize : public testing::TestWithParam<Size> {};

// Learned numbers and work as computed from the definition in MXNet's symbols/resnet.py.
TEST_P(ResnetSize, IsThatOfThePublishedNetwork) {
  const Size& size = GetParam();
  const nn::Graph graph = resnet({.layers = size.layers, .image = {3, size.edge, size.edge}, .classes = size.classes});
  EXPECT_EQ(nn::Parameters(graph).learned(), size.learned);
  if (size.multiply_adds == 0) return;
  EXPECT_NEAR(static_cast<double>(multiply_adds(graph)) / 1e5, static_cast<double>(size.multiply_adds), 10);
}

INSTANTIATE_TEST_SUITE_P(Depths, ResnetSize,
                         testing::Values(Size{18, 224, 1000, 11691947, 18270}, Size{18, 224, 257, 11310788, 0},
                                         Size{34, 224, 1000, 21800107, 36770}, Size{34, 224, 257, 21418948, 0},
                                         Size{50, 224, 1000, 25549483, 40890}, Size{50, 224, 257, 24027076, 0},
                                         Size{101, 224, 1000, 44541611, 78010}, Size{152, 224, 1000, 60185259, 115140},
                                         Size{200, 224, 1000, 64666283, 150070}, Size{20, 32, 10, 272541, 411},
                                         Size{32, 32, 10, 466973, 694}, Size{44, 32, 10, 661405, 977},
                                         Size{56, 32, 10, 855837, 1260}, Size{110, 32, 10, 1730781, 2534},
                                         Size{20, 28, 10, 272541, 314}),
                         [](const auto& row) {
                           return std::to_string(row.param.layers) + "_" + std::to_string(row.param.edge) + "_" +
                                  std::to_string(row.param.classes);
                         });

TEST(Resnet, RefusesOtherDepths) {
  try {
    resnet({.layers = 19, .classes = 10});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no experiments done on num_layers 19");
  }
}

TEST(Resnet, FollowsMxnetsFamilyForSmallPictures) {
  EXPECT_EQ(stages_of(50, 28).units, (std::vector<std::int64_t>{8, 8, 8}));
  EXPECT_TRUE(stages_of(200, 28).bottleneck);
  EXPECT_EQ(stages_of(50, 32).units.size(), 4U);
}

}  // namespace
}  // namespace clary::image_classification
