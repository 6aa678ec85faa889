// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <thread>

#include "platform/objects/names.h"
#include "platform/objects/test_store.h"

namespace clary::objects {
namespace {

TEST(BucketNames, FollowTheRules) {
  for (const char* good : {"abc", "a-b", "a.b.c", "1.2.3.x", "123", "sagemaker-us-west-2-123456789012"})
    EXPECT_TRUE(is_bucket_name(good)) << good;
  for (const char* bad : {"", "ab", "Abc", "a_b", "-ab", "ab-", ".ab", "a..b", "1.2.3.4", "a/b", "\xC3\xA4xy"})
    EXPECT_FALSE(is_bucket_name(bad)) << bad;
  for (const char* reserved :
       {"xn--abc", "sthree-x", "sthree-configurator", "amzn-s3-demo-bucket", "a-s3alias", "a--x-s3"})
    EXPECT_THROW(check_bucket_name(reserved), Error) << reserved;
  EXPECT_NO_THROW(check_bucket_name("axn--b"));
  EXPECT_TRUE(is_bucket_name(std::string(63, 'a')));
  EXPECT_FALSE(is_bucket_name(std::string(64, 'a')));
}

TEST_F(ObjectStoreTest, PutObjectsSurviveReopening) {
  PutOptions options;
  options.content_type = "text/csv";
  options.headers = {{"x-amz-meta-a", "1"}};
  options.tags = {{"t", "v"}};
  const ObjectInfo put = store_->put_text("bucket", "a/b", "hello", options);
  EXPECT_EQ(put.etag, "5d41402abc4b2a76b9719d911017c592");
  reopen();
  const auto got = store_->head("bucket", "a/b");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size, 5U);
  EXPECT_EQ(got->content_type, "text/csv");
  EXPECT_EQ(got->headers, options.headers);
  EXPECT_EQ(got->last_modified, put.last_modified);
  EXPECT_EQ(store_->tags("bucket", "a/b"), options.tags);
  EXPECT_EQ(text_of("a/b"), "hello");
}

TEST_F(ObjectStoreTest, ReplacingAndRemovingFreesTheBytesButKeepsHardLinks) {
  const ObjectInfo first = store_->put_text("bucket", "k", "one");
  const auto link = folder_.path() / "linked";
  ASSERT_EQ(::link(store_->blob_path(first).c_str(), link.c_str()), 0);
  store_->put_text("bucket", "k", "two");
  EXPECT_EQ(files_in("blobs"), 1U);
  EXPECT_EQ(text_of("k"), "two");
  store_->remove("bucket", "k");
  store_->remove("bucket", "k");
  EXPECT_EQ(files_in("blobs"), 0U);
  EXPECT_EQ(read_file(link), "one");
}

TEST_F(ObjectStoreTest, CopiesShareOneBlobUntilTheLastGoes) {
  const ObjectInfo source = store_->put_text("bucket", "a", "shared");
  store_->copy(source, "bucket", "b", {});
  store_->copy(source, "bucket", "a", {});
  EXPECT_EQ(files_in("blobs"), 1U);
  store_->remove("bucket", "a");
  EXPECT_EQ(text_of("b"), "shared");
  store_->remove("bucket", std::vector<std::string>{"b", "missing"});
  EXPECT_EQ(files_in("blobs"), 0U);
  expect_problem(Problem::kNoSuchKey, [&] { store_->copy(source, "bucket", "c", {}); });
}

TEST_F(ObjectStoreTest, ADroppedUploadLeavesNothing) {
  {
    Upload upload = store_->begin();
    upload.write("half");
    EXPECT_EQ(files_in("uploads"), 1U);
  }
  EXPECT_EQ(files_in("uploads") + files_in("blobs"), 0U);
  expect_problem(Problem::kNoSuchBucket, [&] { store_->put_text("missing", "k", "x"); });
  EXPECT_EQ(files_in("uploads") + files_in("blobs"), 0U);
}

TEST_F(ObjectStoreTest, ConditionsAreCheckedInTheTransaction) {
  PutOptions absent;
  absent.if_absent = true;
  const ObjectInfo first = store_->put_text("bucket", "k", "one", absent);
  expect_problem(Problem::kPreconditionFailed, [&] { store_->put_text("bucket", "k", "two", absent); });
  PutOptions match;
  match.if_match = "0000";
  expect_problem(Problem::kPreconditionFailed, [&] { store_->put_text("bucket", "k", "two", match); });
  expect_problem(Problem::kNoSuchKey, [&] { store_->put_text("bucket", "other", "two", match); });
  EXPECT_EQ(text_of("k"), "one");
  match.if_match = first.etag;
  store_->put_text("bucket", "k", "two", match);
  EXPECT_EQ(text_of("k"), "two");
}

TEST_F(ObjectStoreTest, OnlyOneOfManyCreatorsWins) {
  PutOptions absent;
  absent.if_absent = true;
  std::atomic<int> won = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      try {
        store_->put_text("bucket", "k", std::to_string(i), absent);
        ++won;
      } catch (const ObjectError&) {
      }
    });
  threads.clear();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(files_in("blobs"), 1U);
}

TEST_F(ObjectStoreTest, ReadersNeverSeeAMissingFileWhileTheObjectIsReplaced) {
  store_->put_text("bucket", "k", "0");
  std::jthread writer([&](const std::stop_token& stop) {
    for (int i = 1; !stop.stop_requested(); ++i) store_->put_text("bucket", "k", std::to_string(i));
  });
  for (int i = 0; i < 300; ++i) {
    const auto open = store_->open("bucket", "k");
    ASSERT_TRUE(open);
    char buffer[32];
    ASSERT_EQ(::read(open->fd.get(), buffer, sizeof buffer), static_cast<ssize_t>(open->object.size));
  }
}

TEST_F(ObjectStoreTest, SweepRemovesWhatACrashLeftAndNothingElse) {
  store_->put_text("bucket", "k", "kept");
  Upload running = store_->begin();
  running.write("in flight");
  write_file_atomically(folder_.path() / "uploads" / "0123", "left by a crash");
  write_file_atomically(folder_.path() / "blobs" / "ab" / "abcd", "published, never committed");
  store_->sweep();  // the one that runs at the start may have come first
  EXPECT_EQ(files_in("uploads"), 1U);
  EXPECT_EQ(files_in("blobs"), 1U);
  running.commit("bucket", "late");
  EXPECT_EQ(text_of("k"), "kept");
  EXPECT_EQ(text_of("late"), "in flight");
}

TEST_F(ObjectStoreTest, BucketsListInOrderAndRefuseNonsense) {
  store_->create_bucket("alpha", "us-east-1");
  store_->create_bucket("beta", "us-east-1");
  expect_problem(Problem::kBucketExists, [&] { store_->create_bucket("beta", "us-east-1"); });
  expect_problem(Problem::kInvalidBucketName, [&] { store_->create_bucket("No", "us-east-1"); });
  std::string names;
  for (const auto& bucket : store_->buckets()) names += bucket.name + " ";
  EXPECT_EQ(names, "alpha beta bucket ");
  EXPECT_EQ(store_->buckets("b", "beta").at(0).name, "bucket");
  EXPECT_EQ(store_->buckets("", "", 1).size(), 1U);
  store_->put_text("beta", "k", "x");
  expect_problem(Problem::kBucketNotEmpty, [&] { store_->remove_bucket("beta"); });
  store_->remove("beta", "k");
  store_->create_multipart("beta", "m", {});
  store_->remove_bucket("beta");
  EXPECT_FALSE(store_->bucket("beta"));
  expect_problem(Problem::kNoSuchBucket, [&] { store_->remove_bucket("beta"); });
}

TEST_F(ObjectStoreTest, KeysAreCheckedAndMayBeStrange) {
  for (const std::string key : {"/", "//a//", "..", "a/../b", " ", "\xC3\xA4 +%?#&", "a\nb"}) {
    store_->put_text("bucket", key, key);
    EXPECT_EQ(text_of(key), key);
  }
  expect_problem(Problem::kKeyTooLong, [&] { store_->put_text("bucket", std::string(1025, 'k'), ""); });
  expect_problem(Problem::kInvalidKey, [&] { store_->put_text("bucket", "\xFF", ""); });
  expect_problem(Problem::kInvalidKey, [&] { store_->put_text("bucket", "", ""); });
}

TEST_F(ObjectStoreTest, BucketDocumentsAreSetReadAndCleared) {
  EXPECT_FALSE(store_->bucket_document("bucket", "tagging"));
  store_->set_bucket_document("bucket", "tagging", "<x/>");
  EXPECT_EQ(store_->bucket_document("bucket", "tagging"), "<x/>");
  store_->set_bucket_document("bucket", "tagging", std::nullopt);
  EXPECT_FALSE(store_->bucket_document("bucket", "tagging"));
  expect_problem(Problem::kNoSuchBucket, [&] { store_->bucket_document("none", "tagging"); });
}

}  // namespace
}  // namespace clary::objects
