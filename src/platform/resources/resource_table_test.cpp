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

TEST_F(ResourceTableTest, InsertAnswersWhatHasTheNameAlready) {
  add("Abc", 1);
  const Insertion second = table.insert({"ABC", "arn:2", 2, 2, "", Json::object()});
  EXPECT_FALSE(second.inserted);
  EXPECT_EQ(second.resource.name, "Abc");
  EXPECT_EQ(second.resource.created, 1);
}

TEST_F(ResourceTableTest, KindsShareATableAndNoNames) {
  ResourceTable models(database, ResourceKind::kModel);
  add("same", 1);
  const Insertion model = models.insert({"same", "arn:model", 5, 5, "", Json::object()});
  EXPECT_TRUE(model.inserted);
  EXPECT_GT(model.resource.id, table.find("same")->id);
  EXPECT_TRUE(models.erase("same"));
  EXPECT_TRUE(table.find("same"));
}

TEST_F(ResourceTableTest, UpdateCanLeaveTheTimeToTheChange) {
  add("e", 1);
  table.update(
      "e", [](Resource& resource) { resource.modified = 7; }, ResourceTable::Modified::kAsSet);
  EXPECT_EQ(table.find("e")->modified, 7);
}

TEST_F(ResourceTableTest, ErasesOnlyWhatIsAllowed) {
  add("e", 1, "Creating");
  const auto settled = [](const Resource& resource) { return resource.status == "InService"; };
  EXPECT_FALSE(table.erase("e", settled));
  table.update("e", [](Resource& resource) { resource.status = "InService"; });
  EXPECT_TRUE(table.erase("e", settled));
}

TEST_F(ResourceTableTest, ThoseWithAStatusComeOldestFirst) {
  add("z", 1, "Creating");
  add("a", 2, "Updating");
  add("m", 3, "Creating");
  add("x", 4, "Failed");
  std::vector<std::string> found;
  for (const Resource& resource : table.with_status({"Updating", "Creating"})) found.push_back(resource.name);
  EXPECT_THAT(found, ElementsAre("z", "a", "m"));
}

// A request of the greatest depth that a client may send is one level deeper in its row.
TEST_F(ResourceTableTest, ABodyMayBeDeeperThanARequest) {
  Json deep = 1;
  for (int i = 0; i < kMaxJsonDepth + 2; ++i) deep = Json::array({deep});
  table.insert({"e", "arn:e", 1, 1, "", {{"Request", deep}}});
  EXPECT_EQ(table.find("e")->body["Request"], deep);
  EXPECT_EQ(table.list({}).items.size(), 1u);
}

}  // namespace
}  // namespace clary::resources
