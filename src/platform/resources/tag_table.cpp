// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/tag_table.h"

#include <set>

#include "base/error.h"

namespace clary::resources {

namespace {

constexpr const char* kSteps[] = {
    "CREATE TABLE tags (id INTEGER PRIMARY KEY, arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " UNIQUE (arn, key))",
};

}  // namespace

TagList parse_tags(const Json& tags) {
  TagList list;
  std::set<std::string> seen;
  for (const Json& tag : tags) {
    std::string key = tag.at("Key");
    if (key.starts_with("aws:"))
      throw Error(Kind::kInvalid, "Tag key \"" + key + "\" is reserved: keys must not begin with aws:");
    if (!seen.insert(key).second) throw Error(Kind::kInvalid, "Tag key \"" + key + "\" is given twice");
    list.emplace_back(std::move(key), tag.value("Value", ""));
  }
  return list;
}

Json to_json(const TagList& tags) {
  Json list = Json::array();
  for (const auto& [key, value] : tags) list.push_back({{"Key", key}, {"Value", value}});
  return list;
}

TagTable::TagTable(store::Database& database) : database_(database) { database.migrate("tags", kSteps); }

void TagTable::add(store::Connection& connection, std::string_view arn, const TagList& tags) {
  for (const auto& [key, value] : tags)
    connection.prepare("INSERT INTO tags (arn, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?3")
        .bind(arn, key, value)
        .exec();
  auto count = connection.prepare("SELECT count(*) FROM tags WHERE arn = ?1");
  count.bind(arn).step();
  if (count.column<std::size_t>(0) > kMaxTags)
    throw Error(Kind::kLimit, "The resource " + std::string(arn) + " would have more than 50 tags");
}

void TagTable::remove_all(store::Connection& connection, std::string_view arn) {
  connection.prepare("DELETE FROM tags WHERE arn = ?1").bind(arn).exec();
}

TagList TagTable::list(store::Connection& connection, std::string_view arn) {
  TagList tags;
  auto rows = connection.prepare("SELECT key, value FROM tags WHERE arn = ?1 ORDER BY id");
  rows.bind(arn);
  while (rows.step()) tags.emplace_back(rows.column<std::string>(0), rows.column<std::string>(1));
  return tags;
}

TagList TagTable::add(std::string_view arn, const TagList& tags) {
  return database_.write([&](store::Connection& connection) {
    add(connection, arn, tags);
    return list(connection, arn);
  });
}

void TagTable::remove(std::string_view arn, const std::vector<std::string>& keys) {
  database_.write([&](store::Connection& connection) {
    for (const std::string& key : keys)
      connection.prepare("DELETE FROM tags WHERE arn = ?1 AND key = ?2").bind(arn, key).exec();
  });
}

TagList TagTable::list(std::string_view arn) {
  return database_.read([&](store::Connection& connection) { return list(connection, arn); });
}

}  // namespace clary::resources
