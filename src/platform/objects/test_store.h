// SPDX-License-Identifier: Apache-2.0
// A store in a folder of its own, for the tests beside it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/files.h"
#include "platform/objects/object_store.h"

namespace clary::objects {

class ObjectStoreTest : public ::testing::Test {
 protected:
  ObjectStoreTest() { reopen(); }

  void reopen() {
    store_.reset();
    database_.reset();
    database_ = std::make_unique<store::Database>(folder_.path() / "clary.db");
    store_ = std::make_unique<ObjectStore>(folder_.path(), *database_);
    if (!store_->bucket("bucket")) store_->create_bucket("bucket", "us-west-2");
  }

  std::string text_of(std::string_view key) {
    const auto open = store_->open("bucket", key);
    return open ? read_file(store_->blob_path(open->object)) : "(missing)";
  }

  std::size_t files_in(const char* name) const {
    std::size_t n = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() / name))
      n += entry.is_regular_file() ? 1 : 0;
    return n;
  }

  template <class F>
  static void expect_problem(Problem problem, F f) {
    try {
      f();
      FAIL() << "nothing was thrown";
    } catch (const ObjectError& e) {
      EXPECT_EQ(static_cast<int>(e.problem()), static_cast<int>(problem)) << e.what();
    }
  }

  TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<ObjectStore> store_;
};

}  // namespace clary::objects
