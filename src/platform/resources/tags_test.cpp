// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/tags.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "platform/resources/resource_table.h"

namespace clary::resources {
namespace {

struct TagsTest : ::testing::Test {
  TemporaryFolder folder;
  store::Database database{folder.path() / "test.db"};
  ResourceTable models{database, ResourceKind::kModel};
  ResourceTags tags{database};
};

TagList numbered(std::size_t count, const std::string& prefix) {
  TagList list;
  for (std::size_t i = 0; i < count; ++i) list.emplace_back(prefix + std::to_string(i), "v");
  return list;
}

TEST(Tags, RefusesReservedAndRepeatedKeys) {
  EXPECT_THROW(parse_tags(parse_json(R"([{"Key":"aws:x","Value":"1"}])")), Error);
  EXPECT_THROW(parse_tags(parse_json(R"([{"Key":"x","Value":"1"},{"Key":"x","Value":"2"}])")), Error);
}

TEST_F(TagsTest, ComeAndGoWithTheirResource) {
  models.insert({"m", "arn:m", 1, 1, "", Json::object()}, {{"k", "v"}});
  EXPECT_EQ(tags.list("arn:m"), (TagList{{"k", "v"}}));
  models.erase("m");
  EXPECT_FALSE(tags.list("arn:m"));
  models.insert({"m", "arn:m", 1, 1, "", Json::object()});
  EXPECT_EQ(tags.list("arn:m"), TagList());
}

TEST_F(TagsTest, KeepTheirOrderAndTakeNewValues) {
  models.insert({"m", "arn:m", 1, 1, "", Json::object()}, {{"z", "1"}, {"a", "2"}});
  EXPECT_EQ(tags.add("arn:m", {{"m", "3"}, {"z", "4"}}), (TagList{{"z", "4"}, {"a", "2"}, {"m", "3"}}));
  EXPECT_EQ(tags.remove("arn:m", {"a", "never there"}), (TagList{{"z", "4"}, {"m", "3"}}));
  EXPECT_EQ(tags.list("arn:m"), (TagList{{"z", "4"}, {"m", "3"}}));
  EXPECT_EQ(models.find("m")->modified, 1) << "tags are no modification of the resource";
}

TEST_F(TagsTest, AreFiftyAtMost) {
  models.insert({"m", "arn:m", 1, 1, "", Json::object()}, numbered(kMaxTags, "a"));
  EXPECT_TRUE(tags.add("arn:m", {{"a0", "new"}}));
  EXPECT_THROW(tags.add("arn:m", {{"b", "v"}}), Error);
  EXPECT_EQ(tags.list("arn:m")->size(), kMaxTags);
  EXPECT_THROW(models.insert({"n", "arn:n", 1, 1, "", Json::object()}, numbered(kMaxTags + 1, "a")), Error);
  EXPECT_FALSE(models.find("n"));
}

TEST_F(TagsTest, OfNoResourceAreNothing) {
  EXPECT_FALSE(tags.list("arn:m"));
  EXPECT_FALSE(tags.add("arn:m", {{"k", "v"}}));
  EXPECT_FALSE(tags.remove("arn:m", {"k"}));
}

TEST(ResourceKind, IsReadFromAnArn) {
  EXPECT_EQ(kind_of_arn("arn:aws:sagemaker:us-west-2:123456789012:endpoint-config/c"), ResourceKind::kEndpointConfig);
  EXPECT_EQ(kind_of_arn("arn:aws:sagemaker:us-west-2:123456789012:training-job/a:b/c"), ResourceKind::kTrainingJob);
  for (const char* arn : {"", "model", "model/x", "arn:aws:sagemaker:us-west-2:1:app/x", "a:/:model/x"})
    EXPECT_FALSE(kind_of_arn(arn)) << arn;
}

}  // namespace
}  // namespace clary::resources
