// SPDX-License-Identifier: Apache-2.0
// Every file system call of an operation fails once (and once from then on), for N = 0, 1, ... until the operation
// gets through. Afterwards, in this process and after a restart: what was acknowledged is there, everything visible is
// whole, what was there before still is, and the sweep leaves exactly the visible files.
#include "platform/objects/object_store.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "fault_points.h"

namespace clary::objects {
namespace {

constexpr int kMostCalls = 200;

class Store {
 public:
  Store() { reopen(); }
  void reopen() {
    objects_.reset();
    database_.reset();
    database_ = std::make_unique<store::Database>(folder_.path() / "clary.db");
    objects_ = std::make_unique<ObjectStore>(folder_.path(), *database_);
    objects_->sweep();  // the one in the background does no harm, but would be counted
  }
  ObjectStore& operator*() { return *objects_; }
  ObjectStore* operator->() { return objects_.get(); }

  std::string text_of(std::string_view key) {
    const auto open = objects_->open("bucket", key);
    if (!open) return "(missing)";
    const std::string text = read_file(objects_->blob_path(open->object));
    EXPECT_EQ(text.size(), open->object.size) << "half an object is visible";
    return text;
  }
  std::size_t blobs() const {
    std::size_t n = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() / "blobs"))
      n += entry.is_regular_file() ? 1 : 0;
    return n;
  }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<ObjectStore> objects_;
};

struct Operation {
  const char* name;
  std::function<void(Store&)> prepare, run;
  std::string before, after;  // what key "k" holds
};

class ObjectStoreFault : public ::testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  /// @return false when the operation got through without meeting the failure
  bool try_with_failure(const Operation& operation, int n) {
    const auto [error, lasting] = GetParam();
    Store store;
    store->create_bucket("bucket", "us-west-2");
    store->put_text("bucket", "witness", "still here");
    operation.prepare(store);
    fault::arm(n, error, lasting);
    bool acknowledged = true;
    try {
      operation.run(store);
    } catch (const Error& e) {
      acknowledged = false;
      // A full disk is reported as one, except by SQLite's fsync (code 1034), where file systems seldom notice it.
      const bool in_fsync = std::string_view(e.what()).find("(code 1034)") != std::string_view::npos;
      if (error == ENOSPC && lasting && !in_fsync) {
        EXPECT_EQ(static_cast<int>(e.kind()), static_cast<int>(Kind::kLimit)) << e.what();
      }
    }
    const bool fired = fault::disarm();
    check(operation, store, acknowledged, n);
    store.reopen();
    check(operation, store, acknowledged, n);
    const std::size_t visible = store->list("bucket", {}).objects.size();
    std::size_t parts = 0;
    for (const auto& upload : store->multiparts("bucket", "", "", "", 10))
      parts += store->parts("bucket", upload.key, upload.id, 0, 10).size();
    EXPECT_EQ(store.blobs(), visible + parts) << operation.name << " " << n;
    store->put_text("bucket", "k", "works again");
    EXPECT_EQ(store.text_of("k"), "works again");
    return fired;
  }

  static void check(const Operation& operation, Store& store, bool acknowledged, int n) {
    const std::string now = store.text_of("k");
    EXPECT_TRUE(now == operation.after || (!acknowledged && now == operation.before))
        << operation.name << " " << n << ": " << now.substr(0, 40);
    EXPECT_EQ(store.text_of("witness"), "still here") << operation.name << " " << n;
  }

  void survive(const Operation& operation) {
    int n = 0;
    while (try_with_failure(operation, n) && !HasFailure()) ASSERT_LT(++n, kMostCalls);
    EXPECT_GT(n, 3) << operation.name << ": the failing calls were never reached";
  }
};

TEST_P(ObjectStoreFault, PutSurvivesNthFailure) {
  survive({"put", [](Store&) {}, [](Store& s) { s->put_text("bucket", "k", "new"); }, "(missing)", "new"});
}

TEST_P(ObjectStoreFault, ReplacingSurvivesNthFailure) {
  survive({"replace", [](Store& s) { s->put_text("bucket", "k", "old"); },
           [](Store& s) { s->put_text("bucket", "k", std::string(300'000, 'n')); }, "old", std::string(300'000, 'n')});
}

TEST_P(ObjectStoreFault, RemovingSurvivesNthFailure) {
  survive({"remove", [](Store& s) { s->put_text("bucket", "k", "old"); }, [](Store& s) { s->remove("bucket", "k"); },
           "old", "(missing)"});
}

TEST_P(ObjectStoreFault, CompletingAMultipartUploadSurvivesNthFailure) {
  const std::string big(kMinPartBytes, 'p');
  MultipartInfo upload;
  std::vector<CompletedPart> list;
  survive({"complete",
           [&](Store& s) {
             s->put_text("bucket", "k", "old");
             upload = s->create_multipart("bucket", "k", {});
             list.clear();
             for (const std::string& text : {big, std::string("tail")}) {
               Upload part = s->begin();
               part.write(text);
               const int number = static_cast<int>(list.size()) + 1;
               list.push_back({number, part.commit_part("bucket", "k", upload.id, number).etag, {}});
             }
           },
           [&](Store& s) { s->complete_multipart("bucket", "k", upload.id, list); }, "old", big + "tail"});
}

INSTANTIATE_TEST_SUITE_P(Failures, ObjectStoreFault,
                         ::testing::Values(std::tuple(EIO, false), std::tuple(ENOSPC, false), std::tuple(ENOSPC, true)),
                         [](const auto& row) {
                           return std::string(std::get<0>(row.param) == EIO ? "InputOutput" : "DiskFull") +
                                  (std::get<1>(row.param) ? "Lasting" : "Once");
                         });

}  // namespace
}  // namespace clary::objects
