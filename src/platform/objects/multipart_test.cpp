// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/checksum.h"
#include "platform/objects/test_store.h"

namespace clary::objects {
namespace {

class MultipartTest : public ObjectStoreTest {
 protected:
  CompletedPart put(const MultipartInfo& upload, int number, std::string_view text) {
    Upload part = store_->begin(checksum_named(upload.checksum_algorithm));
    part.write(text);
    const PartInfo done = part.commit_part("bucket", upload.key, upload.id, number);
    return {number, done.etag, done.checksum.empty() ? std::nullopt : std::optional(done.checksum)};
  }
  ObjectInfo complete(const MultipartInfo& upload, const std::vector<CompletedPart>& list,
                      const CompleteOptions& options = {}) {
    return store_->complete_multipart("bucket", upload.key, upload.id, list, options);
  }

  const std::string big_ = std::string(kMinPartBytes, 'a');
};

TEST_F(MultipartTest, JoinsPartsInOrderWithAwsETag) {
  const auto upload = store_->create_multipart("bucket", "k", {});
  const auto two = put(upload, 2, "tail");
  const auto one = put(upload, 1, big_);
  const ObjectInfo object = complete(upload, {one, two});
  EXPECT_EQ(object.size, big_.size() + 4);
  const std::string md5s = digest(Digest::kMd5, big_) + digest(Digest::kMd5, "tail");
  EXPECT_EQ(object.etag, to_hex(digest(Digest::kMd5, md5s)) + "-2");
  EXPECT_EQ(text_of("k"), big_ + "tail");
  EXPECT_EQ(files_in("blobs"), 1U) << "the parts' files must go";
  EXPECT_EQ(store_->head("bucket", "k")->parts.at(1).at("Size"), 4);
}

TEST_F(MultipartTest, CompletingAgainAnswersTheSameObject) {
  const auto upload = store_->create_multipart("bucket", "k", {});
  const auto one = put(upload, 1, "x");
  EXPECT_EQ(complete(upload, {one}).etag, complete(upload, {one}).etag);
  EXPECT_EQ(files_in("blobs"), 1U);
  store_->put_text("bucket", "k", "newer");
  expect_problem(Problem::kNoSuchUpload, [&] { complete(upload, {one}); });
}

TEST_F(MultipartTest, RefusesWrongLists) {
  const auto upload = store_->create_multipart("bucket", "k", {});
  const auto one = put(upload, 1, big_), two = put(upload, 2, "small"), three = put(upload, 3, "end");
  expect_problem(Problem::kInvalidPartOrder, [&] { complete(upload, {two, one}); });
  expect_problem(Problem::kInvalidPartOrder, [&] { complete(upload, {one, one}); });
  expect_problem(Problem::kInvalidPart, [&] { complete(upload, {}); });
  expect_problem(Problem::kInvalidPart, [&] { complete(upload, {one, {4, "x", {}}}); });
  expect_problem(Problem::kInvalidPart, [&] { complete(upload, {one, {2, "x", {}}}); });
  expect_problem(Problem::kPartTooSmall, [&] { complete(upload, {one, two, three}); });
  CompleteOptions options;
  options.size = 1;
  expect_problem(Problem::kBadSize, [&] { complete(upload, {one}, options); });
  EXPECT_FALSE(store_->head("bucket", "k"));
  EXPECT_EQ(complete(upload, {one, three}).size, big_.size() + 3);
  EXPECT_EQ(files_in("blobs"), 1U) << "the unused part must go, too";
}

TEST_F(MultipartTest, AUploadedPartReplacesItsPredecessor) {
  const auto upload = store_->create_multipart("bucket", "k", {});
  const auto old = put(upload, 1, "old");
  const auto fresh = put(upload, 1, "fresh");
  EXPECT_EQ(files_in("blobs"), 1U);
  expect_problem(Problem::kInvalidPart, [&] { complete(upload, {old}); });
  complete(upload, {fresh});
  EXPECT_EQ(text_of("k"), "fresh");
}

TEST_F(MultipartTest, ChecksumsOfPartsMakeTheObjects) {
  for (const char* name : {"CRC32", "CRC32C", "CRC64NVME"}) {
    const auto upload = store_->create_multipart("bucket", "k", {}, name, "FULL_OBJECT");
    const auto one = put(upload, 1, big_), two = put(upload, 2, "tail");
    EXPECT_EQ(complete(upload, {one, two}).checksum, to_base64(digest(*checksum_named(name), big_ + "tail"))) << name;
  }
  const auto upload = store_->create_multipart("bucket", "k", {}, "SHA256", "COMPOSITE");
  const auto one = put(upload, 1, big_), two = put(upload, 2, "tail");
  CompleteOptions options;
  options.checksum = "AAAA";
  expect_problem(Problem::kBadChecksum, [&] { complete(upload, {one, two}, options); });
  EXPECT_EQ(complete(upload, {one, two}).checksum, to_base64(sha256(sha256(big_) + sha256("tail"))) + "-2");
}

TEST_F(MultipartTest, AbortFreesEverythingAndUnknownUploadsAreNamed) {
  const auto upload = store_->create_multipart("bucket", "k", {});
  put(upload, 1, "x");
  expect_problem(Problem::kNoSuchUpload, [&] { store_->abort_multipart("bucket", "other", upload.id); });
  store_->abort_multipart("bucket", "k", upload.id);
  EXPECT_EQ(files_in("blobs"), 0U);
  expect_problem(Problem::kNoSuchUpload, [&] { store_->abort_multipart("bucket", "k", upload.id); });
  expect_problem(Problem::kNoSuchUpload, [&] { put(upload, 1, "x"); });
  EXPECT_EQ(files_in("blobs"), 0U);
}

TEST_F(MultipartTest, ListsUploadsAndPartsInPages) {
  const auto b = store_->create_multipart("bucket", "b", {}), a = store_->create_multipart("bucket", "a", {});
  for (int number : {1, 2, 3}) put(a, number, "x");
  auto page = store_->multiparts("bucket", "", "", "", 1);
  ASSERT_EQ(page.size(), 1U);
  EXPECT_EQ(page[0].key, "a");
  page = store_->multiparts("bucket", "", "a", a.id, 10);
  ASSERT_EQ(page.size(), 1U);
  EXPECT_EQ(page[0].id, b.id);
  EXPECT_EQ(store_->parts("bucket", "a", a.id, 0, 2).size(), 2U);
  EXPECT_EQ(store_->parts("bucket", "a", a.id, 2, 10).at(0).number, 3);
  reopen();
  EXPECT_EQ(store_->sweep(), 0U) << "parts of a running upload survive a restart";
  EXPECT_EQ(store_->parts("bucket", "a", a.id, 0, 10).size(), 3U);
}

}  // namespace
}  // namespace clary::objects
