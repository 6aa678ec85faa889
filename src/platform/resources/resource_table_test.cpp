// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/resource_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "platform/store/database.h"

namespace clary::resources {
namespace {

using ::testing::ElementsAre;

struct ResourceTableTest : ::testing::Test {
  TemporaryFolder folder;
  store::Database database{folder.path() / "test.db"};
  ResourceTable table{database, ResourceKind::kEndpoint};

  void add(const std::string& name, EpochMs created, const std::string& status = "InService") {
    ASSERT_TRUE(table.insert({name, "arn:" + name, created, created, status, {{"n", name}}}).inserted);
  }
  std::vector<std::string> names(ResourceQuery query) {
    std::vector<std::string> out;
    for (int pages = 0; pages < 20; ++pages) {
      const ResourcePage page = table.list(query);
      for (const Resource& resource : page.items) out.push_back(resource.name);
      if (page.next_token.empty()) return out;
      query.token = page.next_token;
    }
    ADD_FAILURE() << "pages do not end";
    return out;
  }
};

TEST_F(ResourceTableTest, NamesCollideIgnoringCaseAndAreFoundExactly) {
  add("Abc", 1);
  EXPECT_FALSE(table.insert({"abC", "arn", 2, 2, "", Json::object()}).inserted);
  EXPECT_TRUE(table.find("Abc"));
  EXPECT_FALSE(table.find("abc"));
  EXPECT_TRUE(table.erase("Abc"));
  EXPECT_FALSE(table.erase("Abc"));
}

TEST_F(ResourceTableTest, PagesFollowEverySortOrder) {
  for (int i = 0; i < 7; ++i) add("e" + std::to_string(i), 100 + i / 2, i % 2 == 0 ? "InService" : "Failed");
  ResourceQuery query;
  query.limit = 2;
  EXPECT_THAT(names(query), ElementsAre("e6", "e5", "e4", "e3", "e2", "e1", "e0"));
  query.sort = ResourceQuery::Sort::kName;
  query.ascending = true;
  EXPECT_THAT(names(query), ElementsAre("e0", "e1", "e2", "e3", "e4", "e5", "e6"));
  query.sort = ResourceQuery::Sort::kStatus;
  EXPECT_THAT(names(query), ElementsAre("e1", "e3", "e5", "e0", "e2", "e4", "e6"));
}

TEST_F(ResourceTableTest, FiltersByNameStatusAndTime) {
  add("Alpha-1", 100, "Failed");
  add("alpha-2", 200);
  add("beta", 300);
  ResourceQuery query;
  query.name_contains = "ALPHA";
  EXPECT_THAT(names(query), ElementsAre("alpha-2", "Alpha-1"));
  query.status = "Failed";
  EXPECT_THAT(names(query), ElementsAre("Alpha-1"));
  ResourceQuery times;
  times.created_after = 100;
  times.created_before = 300;
  EXPECT_THAT(names(times), ElementsAre("alpha-2"));
}

TEST_F(ResourceTableTest, UpdateIsOneTransaction) {
  add("e", 1);
  EXPECT_THROW(table.update("e",
                            [](Resource& row) {
                              row.status = "Lost";
                              throw Error(Kind::kConflict, "no");
                            }),
               Error);
  EXPECT_EQ(table.find("e")->status, "InService");
  const auto updated = table.update("e", [](Resource& row) { row.body["x"] = 1; });
  EXPECT_EQ(updated->body["x"], 1);
  EXPECT_GT(updated->modified, 1);
  EXPECT_FALSE(table.update("missing", [](Resource&) {}));
}

TEST_F(ResourceTableTest, ForeignTokensAreRefused) {
  ResourceQuery query;
  for (const char* token : {"x", "!!!!", "YWJj", "YQpi"}) {
    query.token = token;
    EXPECT_THROW(table.list(query), Error) << token;
  }
}

}  // namespace
}  // namespace clary::resources
