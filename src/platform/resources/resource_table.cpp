// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/resource_table.h"

#include <algorithm>

#include "base/text.h"
#include "platform/resources/schema.h"

namespace clary::resources {
namespace {

Resource resource_in(const store::Statement& s) {
  // Not parse_json(): a request of the allowed depth lies deeper in a body, and was bounded when it came in.
  return {s.column<std::string>(1), s.column<std::string>(2), s.column<EpochMs>(3),
          s.column<EpochMs>(4),     s.column<std::string>(5), Json::parse(s.column<std::string>(6)),
          s.column<std::int64_t>(0)};
}

std::string select(const char* rest) { return "SELECT " + std::string(kResourceColumns) + " FROM resources " + rest; }

}  // namespace

ResourceTable::ResourceTable(store::Database& database, ResourceKind kind) : database_(database), kind_(row_of(kind)) {
  create_tables(database_);
}

Insertion ResourceTable::insert(const Resource& resource, const TagList& tags) {
  const std::string folded = lower(resource.name);
  const std::string tag_text = dump_json(to_json(with_tags({}, tags, resource.arn)));
  return database_.write([&](store::Connection& db) {
    // ON CONFLICT DO NOTHING and the look-up behind it: the caller learns in one transaction which of two simultaneous
    // requests was first, and what it made.
    db.prepare(
          "INSERT INTO resources (kind, name, folded, arn, created, modified, status, body, tags)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (kind, folded) DO NOTHING")
        .bind(kind_.word, resource.name, folded, resource.arn, resource.created, resource.modified, resource.status,
              dump_json(resource.body), tag_text)
        .exec();
    const bool inserted = db.changes() > 0;
    auto there = db.prepare(select("WHERE kind = ?1 AND folded = ?2"));
    there.bind(kind_.word, folded).step();
    return Insertion{resource_in(there), inserted};
  });
}

std::optional<Resource> ResourceTable::find_in(store::Connection& db, std::string_view name) const {
  // The unique index knows names in lower case only.
  auto s = db.prepare(select("WHERE kind = ?1 AND folded = ?2 AND name = ?3"));
  if (!s.bind(kind_.word, lower(name), name).step()) return std::nullopt;
  return resource_in(s);
}

std::optional<Resource> ResourceTable::find(std::string_view name) const {
  return database_.read([&](store::Connection& db) { return find_in(db, name); });
}

std::optional<Resource> ResourceTable::update(std::string_view name, const std::function<void(Resource&)>& change,
                                              Modified modified) {
  // Read, change and write in one transaction of the single writer: no other change can come between. An exception
  // from `change` undoes the savepoint.
  return database_.write([&](store::Connection& db) {
    std::optional<Resource> resource = find_in(db, name);
    if (!resource) return resource;
    change(*resource);
    if (modified == Modified::kNow) resource->modified = now_ms();
    db.prepare("UPDATE resources SET modified = ?2, status = ?3, body = ?4 WHERE id = ?1")
        .bind(resource->id, resource->modified, resource->status, dump_json(resource->body))
        .exec();
    return resource;
  });
}

bool ResourceTable::erase(std::string_view name, const std::function<bool(const Resource&)>& allowed) {
  return database_.write([&](store::Connection& db) {
    const std::optional<Resource> resource = find_in(db, name);
    if (!resource || (allowed && !allowed(*resource))) return false;
    // Tags are a column of the row and go with it.
    db.prepare("DELETE FROM resources WHERE id = ?1").bind(resource->id).exec();
    return true;
  });
}

ResourcePage ResourceTable::list(const ResourceQuery& query) const {
  std::optional<Place> place;
  if (!query.token.empty()) place = place_of(query.token, kind_, query.sort);
  const std::string statement = list_statement(kind_, query);
  return database_.read([&](store::Connection& db) {
    auto s = db.prepare(statement);
    const auto bind = [&](const auto&... rest) {
      // One row more than the page: whether there is a next one.
      s.bind(kind_.word, lower(query.name_contains), query.status, query.created_after, query.created_before,
             query.modified_after, query.modified_before, query.limit + 1, rest...);
    };
    if (place)
      bind(place->value, place->tie);
    else
      bind();
    ResourcePage page;
    while (s.step()) {
      if (page.items.size() == static_cast<std::size_t>(query.limit)) {
        page.next_token = token_of(page.items.back(), kind_, query.sort);
        break;
      }
      page.items.push_back(resource_in(s));
    }
    return page;
  });
}

std::vector<Resource> ResourceTable::with_status(const std::vector<std::string>& statuses) const {
  std::vector<Resource> found;
  database_.read([&](store::Connection& db) {
    for (const std::string& status : statuses) {
      // resources_by_status; the results are few (unfinished jobs, live endpoints).
      auto s = db.prepare(select("WHERE kind = ?1 AND status = ?2 ORDER BY id"));
      s.bind(kind_.word, status);
      while (s.step()) found.push_back(resource_in(s));
    }
  });
  std::sort(found.begin(), found.end(), [](const Resource& a, const Resource& b) { return a.id < b.id; });
  return found;
}

}  // namespace clary::resources
