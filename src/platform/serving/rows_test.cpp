// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "platform/store/database.h"

namespace clary::serving {
namespace {

using ::testing::ElementsAre;

struct RowsTest : ::testing::Test {
  TemporaryFolder folder;
  store::Database database{folder.path() / "test.db"};
  Rows rows{database, RowKind::kEndpoint};

  void add(const std::string& name, EpochMs created, const std::string& status = "InService") {
    ASSERT_TRUE(rows.insert({name, "arn:" + name, created, created, status, {{"n", name}}}));
  }
  std::vector<std::string> names(RowQuery query) {
    std::vector<std::string> out;
    for (int pages = 0; pages < 20; ++pages) {
      const RowPage page = rows.list(query);
      for (const Row& row : page.rows) out.push_back(row.name);
      if (page.next_token.empty()) return out;
      query.token = page.next_token;
    }
    ADD_FAILURE() << "pages do not end";
    return out;
  }
};

TEST_F(RowsTest, NamesCollideIgnoringCaseAndAreFoundExactly) {
  add("Abc", 1);
  EXPECT_FALSE(rows.insert({"abC", "arn", 2, 2, "", Json::object()}));
  EXPECT_TRUE(rows.find("Abc"));
  EXPECT_FALSE(rows.find("abc"));
  EXPECT_TRUE(rows.erase("Abc"));
  EXPECT_FALSE(rows.erase("Abc"));
}

TEST_F(RowsTest, PagesFollowEverySortOrder) {
  for (int i = 0; i < 7; ++i) add("e" + std::to_string(i), 100 + i / 2, i % 2 == 0 ? "InService" : "Failed");
  RowQuery query;
  query.limit = 2;
  EXPECT_THAT(names(query), ElementsAre("e6", "e5", "e4", "e3", "e2", "e1", "e0"));
  query.sort = RowQuery::Sort::kName;
  query.ascending = true;
  EXPECT_THAT(names(query), ElementsAre("e0", "e1", "e2", "e3", "e4", "e5", "e6"));
  query.sort = RowQuery::Sort::kStatus;
  EXPECT_THAT(names(query), ElementsAre("e1", "e3", "e5", "e0", "e2", "e4", "e6"));
}

TEST_F(RowsTest, FiltersByNameStatusAndTime) {
  add("Alpha-1", 100, "Failed");
  add("alpha-2", 200);
  add("beta", 300);
  RowQuery query;
  query.name_contains = "ALPHA";
  EXPECT_THAT(names(query), ElementsAre("alpha-2", "Alpha-1"));
  query.status = "Failed";
  EXPECT_THAT(names(query), ElementsAre("Alpha-1"));
  RowQuery times;
  times.created_after = 100;
  times.created_before = 300;
  EXPECT_THAT(names(times), ElementsAre("alpha-2"));
}

TEST_F(RowsTest, UpdateIsOneTransaction) {
  add("e", 1);
  EXPECT_THROW(rows.update("e",
                           [](Row& row) {
                             row.status = "Lost";
                             throw Error(Kind::kConflict, "no");
                           }),
               Error);
  EXPECT_EQ(rows.find("e")->status, "InService");
  const auto updated = rows.update("e", [](Row& row) { row.body["x"] = 1; });
  EXPECT_EQ(updated->body["x"], 1);
  EXPECT_GT(updated->modified, 1);
  EXPECT_FALSE(rows.update("missing", [](Row&) {}));
}

TEST_F(RowsTest, ForeignTokensAreRefused) {
  RowQuery query;
  for (const char* token : {"x", "!!!!", "YWJj", "YQpi"}) {
    query.token = token;
    EXPECT_THROW(rows.list(query), Error) << token;
  }
}

}  // namespace
}  // namespace clary::serving
