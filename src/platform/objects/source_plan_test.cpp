// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/source_plan.h"

#include <gtest/gtest.h>

#include "platform/objects/test_store.h"

namespace clary::objects {
namespace {

TEST(RelativeName, FollowsTheContractsTable) {
  EXPECT_EQ(relative_name("p/train/", "p/train/a/b.csv"), "a/b.csv");
  EXPECT_EQ(relative_name("p/train", "p/train/b.csv"), "b.csv");
  EXPECT_EQ(relative_name("p/knn/train", "p/knn/train"), "train");
  EXPECT_EQ(relative_name("p/tr", "p/train.csv"), "train.csv");
  EXPECT_EQ(relative_name("", "x/y"), "x/y");
}

class SourcePlanTest : public ObjectStoreTest {};

TEST_F(SourcePlanTest, AManifestOfTooManyObjectsIsRefusedBeforeTheyAreLookedUp) {
  std::string manifest = R"([{"prefix":"s3://bucket/p/"})";
  for (std::size_t i = 0; i <= kMaxPlannedObjects; ++i) manifest += ",\"\"";
  store_->put_text("bucket", "manifest", manifest + "]");
  try {
    plan_source({{"S3DataType", "ManifestFile"}, {"S3Uri", "s3://bucket/manifest"}}, *store_);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kLimit) << error.what();
    EXPECT_STREQ(error.what(), "manifest s3://bucket/manifest names 10000001 objects, must be at most 10000000");
  }
}

}  // namespace
}  // namespace clary::objects
