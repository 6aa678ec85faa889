// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/resource_table.h"

#include <array>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "platform/store/database.h"

namespace clary::resources {
namespace {

constexpr std::array kTables{"serving_models", "serving_endpoint_configs", "serving_endpoints",
                             "serving_transform_jobs"};

// Times are epoch milliseconds; folded is the name in lower case.
constexpr const char* kSteps[] = {R"sql(
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
)sql"};

constexpr std::string_view kColumns = "name, arn, created, modified, status, body";

Resource row_of(const store::Statement& s) {
  return {s.column<std::string>(0), s.column<std::string>(1), s.column<EpochMs>(2),
          s.column<EpochMs>(3),     s.column<std::string>(4), parse_json(s.column<std::string>(5))};
}

std::string sort_value(const Resource& row, ResourceQuery::Sort sort) {
  switch (sort) {
    case ResourceQuery::Sort::kCreationTime:
      return std::to_string(row.created);
    case ResourceQuery::Sort::kStatus:
      return row.status;
    case ResourceQuery::Sort::kName:
      break;
  }
  return row.name;
}

std::string_view sort_column(ResourceQuery::Sort sort) {
  constexpr std::array<std::string_view, 3> kNames{"name", "created", "status"};
  return kNames.at(static_cast<std::size_t>(sort));
}

/// A token is the place of the last row shown: base64 of "<sort value>\n<name>".
std::string token_of(const Resource& row, ResourceQuery::Sort sort) {
  return to_base64(sort_value(row, sort) + "\n" + row.name);
}

struct Place {
  std::string value, name;
};

Place place_of(const std::string& token, ResourceQuery::Sort sort) {
  const auto text = from_base64(token);
  const std::size_t line = text ? text->find('\n') : std::string::npos;
  if (line == std::string::npos || !is_utf8(*text))
    throw Error(Kind::kInvalid, "Invalid pagination token because \"it is not one that this server gave out\".");
  Place place{text->substr(0, line), text->substr(line + 1)};
  if (sort == ResourceQuery::Sort::kCreationTime && place.value.find_first_not_of("0123456789") != std::string::npos)
    throw Error(Kind::kInvalid, "Invalid pagination token because \"it belongs to another sort order\".");
  return place;
}

}  // namespace

ResourceTable::ResourceTable(store::Database& database, ResourceKind kind)
    : database_(database), tags_(database), table_(kTables.at(static_cast<std::size_t>(kind))) {
  database_.migrate("serving", kSteps);
}

std::string ResourceTable::sql(std::string_view text) const {
  constexpr std::string_view kPlace = "TABLE";
  std::string out(text);
  out.replace(out.find(kPlace), kPlace.size(), table_);
  return out;
}

Insertion ResourceTable::insert(const Resource& resource, const TagList& tags) {
  const std::string statement =
      sql("INSERT INTO TABLE (name, folded, arn, created, modified, status, body) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING");
  const std::string select = sql("SELECT " + std::string(kColumns) + " FROM TABLE WHERE folded = ?1");
  return database_.write([&](store::Connection& db) {
    db.prepare(statement)
        .bind(resource.name, lower(resource.name), resource.arn, resource.created, resource.modified, resource.status,
              dump_json(resource.body))
        .exec();
    const bool inserted = db.changes() > 0;
    if (inserted) TagTable::add(db, resource.arn, tags);
    auto s = db.prepare(select);
    s.bind(lower(resource.name)).step();
    return Insertion{row_of(s), inserted};
  });
}

std::optional<Resource> ResourceTable::find(std::string_view name) const {
  const std::string statement = sql("SELECT " + std::string(kColumns) + " FROM TABLE WHERE name = ?1");
  return database_.read([&](store::Connection& db) -> std::optional<Resource> {
    auto s = db.prepare(statement);
    s.bind(name);
    if (!s.step()) return std::nullopt;
    return row_of(s);
  });
}

bool ResourceTable::erase(std::string_view name) {
  const std::string select = sql("SELECT " + std::string(kColumns) + " FROM TABLE WHERE name = ?1");
  const std::string remove = sql("DELETE FROM TABLE WHERE name = ?1");
  return database_.write([&](store::Connection& db) {
    std::optional<Resource> row;
    {
      auto s = db.prepare(select);
      s.bind(name);
      if (s.step()) row = row_of(s);
    }
    if (!row) return false;
    db.prepare(remove).bind(name).exec();
    TagTable::remove_all(db, row->arn);
    return true;
  });
}

std::optional<Resource> ResourceTable::update(std::string_view name, const std::function<void(Resource&)>& change) {
  const std::string select = sql("SELECT " + std::string(kColumns) + " FROM TABLE WHERE name = ?1");
  const std::string write = sql("UPDATE TABLE SET modified = ?2, status = ?3, body = ?4 WHERE name = ?1");
  return database_.write([&](store::Connection& db) -> std::optional<Resource> {
    std::optional<Resource> row;
    {
      auto s = db.prepare(select);
      s.bind(name);
      if (s.step()) row = row_of(s);
    }
    if (!row) return std::nullopt;
    change(*row);
    row->modified = now_ms();
    db.prepare(write).bind(name, row->modified, row->status, dump_json(row->body)).exec();
    return row;
  });
}

ResourcePage ResourceTable::list(const ResourceQuery& query) const {
  const std::string column(sort_column(query.sort));
  const std::string beyond = query.ascending ? ">" : "<";
  const std::string direction = query.ascending ? " ASC" : " DESC";
  const std::string statement = sql("SELECT " + std::string(kColumns) +
                                    " FROM TABLE WHERE (?1 = '' OR instr(folded, ?1) > 0) AND (?2 = '' OR status = ?2)"
                                    " AND (?3 IS NULL OR created > ?3) AND (?4 IS NULL OR created < ?4)"
                                    " AND (?5 IS NULL OR modified > ?5) AND (?6 IS NULL OR modified < ?6)"
                                    " AND (?7 IS NULL OR " +
                                    column + " " + beyond + " ?7 OR (" + column + " = ?7 AND name " + beyond + " ?8))" +
                                    " ORDER BY " + column + direction + ", name" + direction + " LIMIT ?9");
  std::optional<Place> after;
  if (!query.token.empty()) after = place_of(query.token, query.sort);

  ResourcePage page;
  database_.read([&](store::Connection& db) {
    auto s = db.prepare(statement);
    const auto bind = [&](const auto& place_value) {
      s.bind(lower(query.name_contains), query.status, query.created_after, query.created_before, query.modified_after,
             query.modified_before, place_value, after ? after->name : std::string(), query.limit + 1);
    };
    if (!after)
      bind(nullptr);
    else if (query.sort == ResourceQuery::Sort::kCreationTime)
      bind(static_cast<std::int64_t>(std::stoll("0" + after->value.substr(0, 17))));
    else
      bind(after->value);
    while (s.step()) page.items.push_back(row_of(s));
  });
  if (page.items.size() > static_cast<std::size_t>(query.limit)) {
    page.items.resize(static_cast<std::size_t>(query.limit));
    page.next_token = token_of(page.items.back(), query.sort);
  }
  return page;
}

std::vector<Resource> ResourceTable::with_status(const std::vector<std::string>& statuses) const {
  const std::string statement = sql("SELECT " + std::string(kColumns) + " FROM TABLE WHERE status = ?1 ORDER BY name");
  return database_.read([&](store::Connection& db) {
    std::vector<Resource> rows;
    for (const std::string& status : statuses) {
      auto s = db.prepare(statement);
      s.bind(status);
      while (s.step()) rows.push_back(row_of(s));
    }
    return rows;
  });
}

}  // namespace clary::resources
