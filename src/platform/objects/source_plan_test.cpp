// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/source_plan.h"

#include <gtest/gtest.h>

namespace clary::objects {
namespace {

TEST(RelativeName, FollowsTheContractsTable) {
  EXPECT_EQ(relative_name("p/train/", "p/train/a/b.csv"), "a/b.csv");
  EXPECT_EQ(relative_name("p/train", "p/train/b.csv"), "b.csv");
  EXPECT_EQ(relative_name("p/knn/train", "p/knn/train"), "train");
  EXPECT_EQ(relative_name("p/tr", "p/train.csv"), "train.csv");
  EXPECT_EQ(relative_name("", "x/y"), "x/y");
}

}  // namespace
}  // namespace clary::objects
