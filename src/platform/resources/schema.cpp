// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/schema.h"

namespace clary::resources {

namespace {

// Times are epoch milliseconds, folded is the name in lower case, body a JSON object, tags a JSON list of {Key, Value}
// in order of creation. One index for each order that a list may have; lists by status of the kinds whose ties go by
// name sort within one status, the others sort nothing.
constexpr const char* kTable = R"sql(
CREATE TABLE resources (
  id {identity}, kind TEXT NOT NULL, name TEXT NOT NULL, folded TEXT NOT NULL, arn TEXT NOT NULL,
  created BIGINT NOT NULL, modified BIGINT NOT NULL, status TEXT NOT NULL, tags TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (kind, folded));
CREATE INDEX resources_by_arn ON resources (arn);
CREATE INDEX resources_by_name ON resources (kind, name);
CREATE INDEX resources_by_created_and_id ON resources (kind, created, id);
CREATE INDEX resources_by_created_and_name ON resources (kind, created, name);
CREATE INDEX resources_by_status ON resources (kind, status, id);
)sql";

// Version 0.1.0 had a table for each kind and one for all tags. A database that never had them makes them first, empty,
// so that this is one path; training jobs keep their ids, which are in their paging tokens. Only SQLite ever held these
// tables, so this alone is written for SQLite. The versions left behind make a program of that time refuse the file
// instead of starting without its jobs.
constexpr const char* kTakeOver = R"sql(
CREATE TABLE IF NOT EXISTS tags (id INTEGER PRIMARY KEY, arn TEXT, key TEXT, value TEXT);
CREATE TABLE IF NOT EXISTS training_jobs (
  id INTEGER PRIMARY KEY, name TEXT, folded TEXT, arn TEXT, region TEXT, state TEXT, status TEXT, request TEXT,
  created INTEGER, modified INTEGER, started INTEGER, ended INTEGER, failure_reason TEXT, stop_reason TEXT,
  transitions TEXT, final_metrics TEXT, launched INTEGER, attempt INTEGER);
CREATE TABLE IF NOT EXISTS serving_models (name, folded, arn, created, modified, status, body);
CREATE TABLE IF NOT EXISTS serving_endpoint_configs (name, folded, arn, created, modified, status, body);
CREATE TABLE IF NOT EXISTS serving_endpoints (name, folded, arn, created, modified, status, body);
CREATE TABLE IF NOT EXISTS serving_transform_jobs (name, folded, arn, created, modified, status, body);

INSERT INTO resources (id, kind, name, folded, arn, created, modified, status, tags, body)
  SELECT id, 'training-job', name, folded, arn, created, modified, status, '[]',
         json_object('State', state, 'Region', region, 'Request', json(request), 'Started', started, 'Ended', ended,
                     'FailureReason', failure_reason, 'StopReason', stop_reason, 'Transitions', json(transitions),
                     'FinalMetrics', json(final_metrics), 'Launched', launched, 'Attempt', attempt)
  FROM training_jobs ORDER BY id;
INSERT INTO resources (kind, name, folded, arn, created, modified, status, tags, body)
  SELECT kind, name, folded, arn, created, modified, status, '[]', body
  FROM (SELECT 'model' AS kind, * FROM serving_models
        UNION ALL SELECT 'endpoint-config', * FROM serving_endpoint_configs
        UNION ALL SELECT 'endpoint', * FROM serving_endpoints
        UNION ALL SELECT 'transform-job', * FROM serving_transform_jobs)
  ORDER BY created, name;
UPDATE resources
  SET tags = (SELECT json_group_array(json_object('Key', key, 'Value', value))
              FROM (SELECT key, value FROM tags WHERE tags.arn = resources.arn ORDER BY id))
  WHERE arn IN (SELECT arn FROM tags);

DROP TABLE tags;
DROP TABLE training_jobs;
DROP TABLE serving_models;
DROP TABLE serving_endpoint_configs;
DROP TABLE serving_endpoints;
DROP TABLE serving_transform_jobs;
INSERT INTO schema_versions (module, version) VALUES ('tags', 2), ('training_jobs', 2), ('serving', 2)
  ON CONFLICT (module) DO UPDATE SET version = excluded.version;
)sql";

constexpr const char* kSteps[] = {kTable, kTakeOver};

}  // namespace

void create_tables(store::Database& database) { database.migrate("resources", kSteps); }

}  // namespace clary::resources
