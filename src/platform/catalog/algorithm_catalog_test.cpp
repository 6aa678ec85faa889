// SPDX-License-Identifier: Apache-2.0
#include "platform/catalog/algorithm_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"

namespace clary::catalog {
namespace {

TEST(AlgorithmCatalog, FindsBuiltinsByRepositoryAndUserImagesByTag) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "knn", "#!/bin/sh\n", 0755);
  write_file_atomically(folder.path() / "knn.json", R"({"Name": "knn", "Images": ["knn"]})");
  write_file_atomically(folder.path() / "lost.json", R"({"Name": "lost", "Images": ["lost"]})");
  AlgorithmCatalog catalog;
  catalog.add_builtins(folder.path(), {{"CLARY_WORDSIM", "/srv/pairs"}});
  catalog.add_user_images(
      parse_json(R"({"mine:2": {"Program": ["/bin/sh", "/x"], "ReadOnly": ["/opt"]}, "own": ["/bin/cat"]})"));
  ASSERT_TRUE(catalog.find("1234.dkr.ecr.eu-west-1.amazonaws.com/knn:1"));
  EXPECT_TRUE(catalog.find("knn:latest")->builtin);
  EXPECT_EQ(catalog.find("knn:latest")->files.at("CLARY_WORDSIM"), "/srv/pairs");
  EXPECT_FALSE(catalog.find("mine:1"));
  EXPECT_EQ(catalog.find("host.example/mine:2")->argv[1], "/x");
  EXPECT_FALSE(catalog.find("lost")) << "a descriptor without its program is not an algorithm";
  try {
    catalog.resolve("nothing:1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("nothing:1"), testing::HasSubstr("knn")));
  }
}

TEST(AlgorithmCatalog, RefusesBadUserImages) {
  AlgorithmCatalog catalog;
  for (const char* text : {R"([])", R"({"a": {}})", R"({"a": ["relative"]})", R"({"a": [1]})", R"({"a": []})"}) {
    SCOPED_TRACE(text);
    EXPECT_THROW(catalog.add_user_images(parse_json(text)), Error);
  }
}

}  // namespace
}  // namespace clary::catalog
