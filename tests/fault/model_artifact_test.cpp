// SPDX-License-Identifier: Apache-2.0
// The file `complete` beside an unpacked model says, also after a power failure, that the model is there.
#include "platform/serving/model_artifact.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

#include "base/files.h"
#include "fault_points.h"
#include "platform/objects/object_store.h"

namespace clary::serving {
namespace {

constexpr int kMostCalls = 100;

TEST(ModelArtifactFault, IsCompleteOnlyWhenItsFilesAreOnTheDisk) {
  const TemporaryFolder folder;
  store::Database database(folder.path() / "clary.db");
  objects::ObjectStore store(folder.path(), database);
  store.create_bucket("bucket", "us-west-2");
  store.put_text("bucket", "model/a", "one");
  store.sweep();  // not in the background, where its calls would be counted
  ContainerSpec container;
  container.model_url = "s3://bucket/model/";
  container.model_is_prefix = true;
  const auto model = folder.path() / "endpoints/e";
  for (int n = 0; n < kMostCalls; ++n) {
    std::filesystem::remove_all(model);
    fault::arm(n, EIO, false);
    bool done = true;
    try {
      prepare_model(container, store, model);
    } catch (const DeployError&) {
      done = false;
    }
    EXPECT_NE(fault::disarm(), done);
    const std::string calls = fault::calls();
    if (std::filesystem::exists(model / "complete")) {
      EXPECT_LT(calls.find("syncfs"), calls.find("rename")) << calls;
    }
    if (!done) continue;
    EXPECT_TRUE(calls.ends_with("syncfs fsync rename fsync ")) << calls;
    return;
  }
  FAIL() << "it never got through";
}

}  // namespace
}  // namespace clary::serving
