// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "platform/resources/resource_table.h"

namespace clary::resources {
namespace {

using ::testing::ElementsAre;

// The tables as version 0.1.0 made them, with a few rows (those of training jobs: training_jobs_test.cpp).
constexpr const char* kOldTags[] = {R"sql(
CREATE TABLE tags (id INTEGER PRIMARY KEY, arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  UNIQUE (arn, key));
INSERT INTO tags (arn, key, value) VALUES ('arn:m1', 'z', '1'), ('arn:e', 'k', 'v'), ('arn:m1', 'a', '2 "x"'),
  ('arn:gone', 'k', 'v'))sql"};
constexpr const char* kOldServing[] = {R"sql(
CREATE TABLE serving_models (
  name TEXT PRIMARY KEY, folded TEXT NOT NULL UNIQUE, arn TEXT NOT NULL, created INTEGER NOT NULL,
  modified INTEGER NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE serving_endpoint_configs (
  name TEXT PRIMARY KEY, folded TEXT NOT NULL UNIQUE, arn TEXT NOT NULL, created INTEGER NOT NULL,
  modified INTEGER NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE serving_endpoints (
  name TEXT PRIMARY KEY, folded TEXT NOT NULL UNIQUE, arn TEXT NOT NULL, created INTEGER NOT NULL,
  modified INTEGER NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE serving_transform_jobs (
  name TEXT PRIMARY KEY, folded TEXT NOT NULL UNIQUE, arn TEXT NOT NULL, created INTEGER NOT NULL,
  modified INTEGER NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX serving_models_created ON serving_models (created, name);
CREATE INDEX serving_endpoint_configs_created ON serving_endpoint_configs (created, name);
CREATE INDEX serving_endpoints_created ON serving_endpoints (created, name);
CREATE INDEX serving_transform_jobs_created ON serving_transform_jobs (created, name);
INSERT INTO serving_models VALUES ('M2', 'm2', 'arn:m2', 20, 21, '', '{"Image":"two"}'),
  ('M1', 'm1', 'arn:m1', 10, 11, '', '{"Image":"one"}');
INSERT INTO serving_endpoint_configs VALUES ('c', 'c', 'arn:c', 30, 31, '', '{}');
INSERT INTO serving_endpoints VALUES ('e', 'e', 'arn:e', 40, 41, 'InService', '{"Generation":2}');
INSERT INTO serving_transform_jobs VALUES ('t', 't', 'arn:t', 50, 51, 'Completed', '{"EndTime":51}'))sql"};

struct SchemaTest : ::testing::Test {
  TemporaryFolder folder;
  store::Database database{folder.path() / "test.db"};

  std::vector<std::string> tables() {
    return database.read([](store::Connection& db) {
      auto rows = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
      std::vector<std::string> names;
      while (rows.step()) names.push_back(rows.column<std::string>(0));
      return names;
    });
  }
};

TEST_F(SchemaTest, ANewDatabaseHasOneTable) {
  create_tables(database);
  create_tables(database);
  EXPECT_THAT(tables(), testing::UnorderedElementsAre("schema_versions", "resources"));
}

TEST_F(SchemaTest, ADatabaseOfVersion010KeepsItsResourcesAndTags) {
  database.migrate("tags", kOldTags);
  database.migrate("serving", kOldServing);

  const ResourceTable models(database, ResourceKind::kModel);
  const Resource model = models.find("M1").value();
  EXPECT_EQ(model.arn, "arn:m1");
  EXPECT_EQ(model.created, 10);
  EXPECT_EQ(model.modified, 11);
  EXPECT_EQ(model.status, "");
  EXPECT_EQ(model.body, (Json{{"Image", "one"}}));
  EXPECT_LT(model.id, models.find("M2")->id);
  EXPECT_FALSE(models.find("m1"));
  EXPECT_TRUE(ResourceTable(database, ResourceKind::kEndpointConfig).find("c"));
  EXPECT_EQ(ResourceTable(database, ResourceKind::kTransformJob).find("t")->status, "Completed");
  EXPECT_EQ(ResourceTable(database, ResourceKind::kEndpoint).find("e")->body["Generation"], 2);
  const ResourceTags tags(database);
  EXPECT_EQ(tags.list("arn:m1"), (TagList{{"z", "1"}, {"a", "2 \"x\""}}));
  EXPECT_EQ(tags.list("arn:e"), (TagList{{"k", "v"}}));
  EXPECT_EQ(tags.list("arn:m2"), TagList());
  EXPECT_FALSE(tags.list("arn:gone"));
  EXPECT_THAT(tables(), testing::UnorderedElementsAre("schema_versions", "resources"));
}

TEST_F(SchemaTest, AProgramOfVersion010RefusesTheFile) {
  create_tables(database);
  for (const char* module : {"tags", "training_jobs", "serving"}) try {
      constexpr const char* kAny[] = {"SELECT 1"};
      database.migrate(module, kAny);
      ADD_FAILURE() << module;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kConflict) << module;
    }
}

}  // namespace
}  // namespace clary::resources
