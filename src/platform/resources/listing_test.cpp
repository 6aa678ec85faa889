// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "platform/resources/resource_table.h"

namespace clary::resources {
namespace {

using Sort = ResourceQuery::Sort;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct ListingTest : ::testing::Test {
  TemporaryFolder folder;
  store::Database database{folder.path() / "test.db"};
  ResourceTable jobs{database, ResourceKind::kTrainingJob}, models{database, ResourceKind::kModel};

  std::string plan(const KindRow& kind, const ResourceQuery& query) {
    return database.read([&](store::Connection& db) {
      auto steps = db.prepare("EXPLAIN QUERY PLAN " + list_statement(kind, query));
      std::string all;
      while (steps.step()) all += steps.column<std::string>(3) + "\n";
      return all;
    });
  }
  static void add(ResourceTable& table, const std::string& name, EpochMs created, const std::string& status = "") {
    ASSERT_TRUE(table.insert({name, "arn:" + name, created, created, status, Json::object()}).inserted);
  }
  static std::vector<std::string> names(const ResourcePage& page) {
    std::vector<std::string> out;
    for (const Resource& resource : page.items) out.push_back(resource.name);
    return out;
  }
};

// ListTrainingJobs with its defaults once read every row and sorted it.
TEST_F(ListingTest, TheDefaultListOfEveryKindWalksAnIndex) {
  for (const KindRow& kind : kKinds) {
    SCOPED_TRACE(kind.word);
    for (const Sort sort : {Sort::kCreationTime, Sort::kName})
      for (const bool ascending : {false, true})
        for (const char* token : {"", "later page"}) {
          const std::string steps = plan(kind, {.sort = sort, .ascending = ascending, .token = token});
          EXPECT_THAT(steps, HasSubstr("SEARCH resources USING INDEX"));
          EXPECT_THAT(steps, Not(HasSubstr("TEMP B-TREE")));
          EXPECT_THAT(steps, HasSubstr(*token == '\0' ? "(kind=?)" : "(kind=? AND ")) << "a later page starts there";
        }
  }
  const KindRow& job = row_of(ResourceKind::kTrainingJob);
  EXPECT_THAT(plan(job, {.sort = Sort::kStatus}), Not(HasSubstr("TEMP B-TREE")));
}

TEST_F(ListingTest, EqualJobsGoByAgeAndEqualHostingResourcesByName) {
  for (const char* name : {"b", "C", "a"}) {
    add(jobs, name, 5, "Failed");
    add(models, name, 5);
  }
  EXPECT_THAT(names(jobs.list({.ascending = true})), ElementsAre("b", "C", "a"));
  EXPECT_THAT(names(models.list({.ascending = true})), ElementsAre("C", "a", "b"));
  EXPECT_THAT(names(jobs.list({.sort = Sort::kStatus})), ElementsAre("a", "C", "b"));
  EXPECT_THAT(names(jobs.list({.sort = Sort::kName, .ascending = true})), ElementsAre("a", "b", "C"));
  EXPECT_THAT(names(models.list({.sort = Sort::kName, .ascending = true})), ElementsAre("C", "a", "b"));
}

TEST_F(ListingTest, ATokenKeepsItsPlaceWhenRowsComeAndGo) {
  for (int i = 0; i < 6; ++i) add(jobs, "j" + std::to_string(i), 100 + i);
  const ResourcePage first = jobs.list({.limit = 2});
  EXPECT_THAT(names(first), ElementsAre("j5", "j4"));
  add(jobs, "newer", 200);
  ASSERT_TRUE(jobs.erase("j4"));  // the row that the token names
  EXPECT_THAT(names(jobs.list({.limit = 2, .token = first.next_token})), ElementsAre("j3", "j2"));
}

TEST_F(ListingTest, TokensOfVersion010AreValid) {
  for (int i = 0; i < 4; ++i) {
    add(jobs, "j" + std::to_string(i), 100 + i / 2);  // ids 1, 3, 5, 7
    add(models, "m" + std::to_string(i), 100 + i / 2);
  }
  const std::string third = std::to_string(jobs.find("j2")->id);
  EXPECT_THAT(names(jobs.list({.token = to_base64(R"(["00000000000000000101",)" + third + "]")})),
              ElementsAre("j1", "j0"));
  EXPECT_THAT(names(jobs.list({.sort = Sort::kName, .token = to_base64(R"(["j2",)" + third + "]")})),
              ElementsAre("j1", "j0"));
  EXPECT_THAT(names(models.list({.token = to_base64("101\nm2")})), ElementsAre("m1", "m0"));
  EXPECT_THAT(names(models.list({.sort = Sort::kName, .token = to_base64("m2\nm2")})), ElementsAre("m1", "m0"));
}

TEST_F(ListingTest, ForeignTokensAreRefused) {
  const std::string of_names = [&] {
    add(models, "m1", 1);
    add(models, "m2", 2);
    return models.list({.sort = Sort::kName, .limit = 1}).next_token;
  }();
  for (const std::string& token : {std::string("x"), std::string("!!!!"), to_base64("abc"), to_base64("a\n\xFF"),
                                   to_base64("[]"), to_base64("[1,2]"), to_base64(R"(["1",{}])"),
                                   to_base64(R"(["-1","m1"])"), to_base64("[\"1\",\"m1\"] "), of_names})
    EXPECT_THROW(jobs.list({.token = token}), Error) << token;
  try {
    models.list({.token = of_names});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    EXPECT_STREQ(error.what(), "Invalid pagination token because \"it belongs to another sort order\".");
  }
}

}  // namespace
}  // namespace clary::resources
