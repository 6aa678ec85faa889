// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/model_artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "platform/objects/test_store.h"

namespace clary::serving {
namespace {

/// The store's objects, as from another machine.
class RemoteSource : public objects::ObjectSource {
 public:
  explicit RemoteSource(objects::ObjectStore& store) : store_(store) {}
  std::optional<objects::BucketInfo> bucket(std::string_view name) override { return store_.bucket(name); }
  std::optional<objects::ObjectInfo> head(std::string_view bucket, std::string_view key) override {
    return store_.head(bucket, key);
  }
  objects::Listing list(std::string_view bucket, const objects::ListQuery& query) override {
    return store_.list(bucket, query);
  }
  std::optional<objects::OpenObject> open(std::string_view bucket, std::string_view key) override {
    return store_.open(bucket, key);
  }
  std::filesystem::path local_root() const override { return {}; }
  std::filesystem::path local_file(const objects::ObjectInfo&) const override { return {}; }

 private:
  objects::ObjectStore& store_;
};

/// As when an object is replaced between the listing and the link: the file that was named is gone.
class ReplacedSource final : public RemoteSource {
 public:
  using RemoteSource::RemoteSource;
  std::filesystem::path local_root() const override { return "/nowhere"; }
  std::filesystem::path local_file(const objects::ObjectInfo&) const override { return "gone"; }
};

class ModelArtifactTest : public objects::ObjectStoreTest {
 protected:
  void SetUp() override {
    ObjectStoreTest::SetUp();
    store_->put_text("bucket", "prefix/a", "one");
    store_->put_text("bucket", "prefix/below/b", "two");
    container.model_url = "s3://bucket/prefix/";
    container.model_is_prefix = true;
  }
  ContainerSpec container;
  TemporaryFolder place;
};

TEST_F(ModelArtifactTest, PrefixIsLinkedFromTheStoreAndCopiedFromElsewhere) {
  RemoteSource remote(*store_);
  for (objects::ObjectSource* source :
       {static_cast<objects::ObjectSource*>(store_.get()), static_cast<objects::ObjectSource*>(&remote)}) {
    prepare_model(container, *source, place.path() / "m");
    EXPECT_EQ(read_file(place.path() / "m/model/a"), "one");
    EXPECT_EQ(read_file(place.path() / "m/model/below/b"), "two");
    EXPECT_EQ(std::filesystem::hard_link_count(place.path() / "m/model/a"), source == &remote ? 1u : 2u);
    std::filesystem::remove_all(place.path() / "m");
  }
}

TEST_F(ModelArtifactTest, AnObjectThatWasReplacedMeanwhileIsReadByItsKey) {
  ReplacedSource replaced(*store_);
  prepare_model(container, replaced, place.path() / "m");
  EXPECT_EQ(read_file(place.path() / "m/model/a"), "one");
  EXPECT_EQ(read_file(place.path() / "m/model/below/b"), "two");
}

TEST_F(ModelArtifactTest, KeysThatLeaveTheFolderAreNamed) {
  store_->put_text("bucket", "prefix/../../escaped", "x");
  try {
    prepare_model(container, *store_, place.path() / "m");
    FAIL() << "no error";
  } catch (const DeployError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("\"../../escaped\" cannot be a file name"));
  }
  EXPECT_FALSE(std::filesystem::exists(place.path() / "escaped"));
}

}  // namespace
}  // namespace clary::serving
