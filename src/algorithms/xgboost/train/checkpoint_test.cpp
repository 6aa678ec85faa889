// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/train/checkpoint.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace clary::xgboost {
namespace {

namespace fs = std::filesystem;

std::vector<int> rounds(const Checkpoints& checkpoints) {
  std::vector<int> out;
  for (const auto& found : checkpoints.found()) out.push_back(found.round);
  return out;
}

TEST(Checkpoints, KeepTheLastFive) {
  const TemporaryFolder folder;
  const Checkpoints checkpoints(folder.path() / "deep");
  for (int round = 0; round < 12; ++round) checkpoints.save(round, "model " + std::to_string(round));
  EXPECT_EQ(rounds(checkpoints), (std::vector<int>{11, 10, 9, 8, 7}));
  EXPECT_EQ(read_file(checkpoints.found().front().file), "model 11");
  for (const auto& entry : fs::directory_iterator(folder.path() / "deep"))
    EXPECT_EQ(entry.path().string().find("sagemaker-ignore"), std::string::npos) << entry.path();
}

TEST(Checkpoints, WhatTheUploaderHoldsStays) {
  const TemporaryFolder folder;
  const Checkpoints checkpoints(folder.path());
  checkpoints.save(0, "x");
  checkpoints.save(1, "x");
  write_file_atomically(folder.path() / "xgboost-checkpoint.0.sagemaker-uploading", "");
  write_file_atomically(folder.path() / "xgboost-checkpoint.1.sagemaker-uploading", "");
  write_file_atomically(folder.path() / "xgboost-checkpoint.1.sagemaker-uploaded", "");
  for (int round = 2; round < 8; ++round) checkpoints.save(round, "x");
  EXPECT_EQ(rounds(checkpoints), (std::vector<int>{7, 6, 5, 4, 3, 0}));
}

TEST(Checkpoints, OtherFilesAreNotTaken) {
  const TemporaryFolder folder;
  for (const char* name : {"xgboost-checkpoint.x", "xgboost-checkpoint.", "xgboost-checkpoint.-1",
                           "xgboost-checkpoint.1x", "xgboost-checkpoint.99999999999999999999",
                           "xgboost-checkpoint.2147483647", "other.1", "xgboost-checkpoint.3.sagemaker-ignore"})
    write_file_atomically(folder.path() / name, "x");
  fs::create_directory(folder.path() / "xgboost-checkpoint.5");
  EXPECT_TRUE(Checkpoints(folder.path()).found().empty());
  EXPECT_TRUE(Checkpoints("").found().empty());
}

}  // namespace
}  // namespace clary::xgboost
