// SPDX-License-Identifier: Apache-2.0
#include "platform/training/results.h"

#include <gtest/gtest.h>

#include <chrono>

#include "platform/objects/test_store.h"

namespace clary::training {
namespace {

namespace fs = std::filesystem;

class CheckpointMirrorTest : public objects::ObjectStoreTest {
 protected:
  CheckpointMirrorTest() {
    for (const char* host : {"algo-1", "algo-2"}) {
      instances_.push_back(folder_.path() / "job" / host);
      fs::create_directories(instances_.back() / "ml/checkpoints");
    }
  }
  fs::path file(int host, const std::string& name) {
    return instances_[static_cast<std::size_t>(host - 1)] / "ml/checkpoints" / name;
  }
  /// @param age  seconds ago
  void write(int host, const std::string& name, const std::string& text, int age) {
    write_file_atomically(file(host, name), text);
    fs::last_write_time(file(host, name), fs::file_time_type::clock::now() - std::chrono::seconds(age));
  }
  /// Changes with every upload.
  std::string upload_of(const std::string& key) { return store_->head("bucket", key)->blob; }

  std::vector<fs::path> instances_;
};

TEST_F(CheckpointMirrorTest, TheLastWriterOfANameWins) {
  CheckpointMirror mirror("s3://bucket/c", instances_);
  write(1, "state", "host 1", 20);
  write(2, "state", "host 2", 30);
  mirror.sync(*store_, false);
  EXPECT_EQ(text_of("c/state"), "host 1");
  write(2, "state", "host 2, later", 10);
  mirror.sync(*store_, false);
  EXPECT_EQ(text_of("c/state"), "host 2, later");
  write(1, "state", "host 1, last", 5);
  mirror.sync(*store_, false);
  EXPECT_EQ(text_of("c/state"), "host 1, last");
}

/// Each pass took the files of the hosts for one file that changes, and put host 1's again every five seconds.
TEST_F(CheckpointMirrorTest, ANameThatSeveralHostsHaveIsPutOnce) {
  CheckpointMirror mirror("s3://bucket/c", instances_);
  write(1, "state", "host 1", 20);
  write(2, "state", "host 2!", 10);
  mirror.sync(*store_, true);
  const std::string first = upload_of("c/state");
  mirror.sync(*store_, true);
  mirror.sync(*store_, false);
  EXPECT_EQ(upload_of("c/state"), first);
  EXPECT_EQ(text_of("c/state"), "host 2!");
}

TEST_F(CheckpointMirrorTest, ANameGoesWhenNoHostHasItAnyMore) {
  CheckpointMirror mirror("s3://bucket/c/", instances_);
  write(1, "old", "1", 20);
  write(2, "old", "2", 20);
  write(2, "kept", "2", 20);
  store_->put_text("bucket", "c/of an earlier job", "x");
  mirror.sync(*store_, true);
  fs::remove(file(1, "old"));
  mirror.sync(*store_, true);
  EXPECT_EQ(text_of("c/old"), "2");
  fs::remove(file(2, "old"));
  mirror.sync(*store_, true);
  EXPECT_EQ(text_of("c/old"), "(missing)");
  EXPECT_EQ(text_of("c/kept"), "2");
  EXPECT_EQ(text_of("c/of an earlier job"), "x");
}

TEST_F(CheckpointMirrorTest, FilesThatAreStillWrittenAreLeftAloneUntilTheEnd) {
  CheckpointMirror mirror("s3://bucket/c", instances_);
  write(1, "state", "begun", 0);
  mirror.sync(*store_, true);
  EXPECT_EQ(text_of("c/state"), "(missing)");
  mirror.sync(*store_, false);
  EXPECT_EQ(text_of("c/state"), "begun");
}

}  // namespace
}  // namespace clary::training
