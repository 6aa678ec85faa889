// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/tags.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/error.h"
#include "platform/resources/schema.h"

namespace clary::resources {

namespace {

std::optional<TagList> find_in(store::Connection& db, std::string_view arn) {
  auto row = db.prepare("SELECT tags FROM resources WHERE arn = ?1");
  if (!row.bind(arn).step()) return std::nullopt;
  TagList tags;
  for (const Json& tag : parse_json(row.column<std::string>(0)))
    tags.emplace_back(tag.at("Key").get<std::string>(), tag.at("Value").get<std::string>());
  return tags;
}

// `change` may throw (too many tags): the transaction is undone.
std::optional<TagList> change_tags(store::Database& database, std::string_view arn,
                                   const std::function<TagList(TagList)>& change) {
  return database.write([&](store::Connection& db) {
    std::optional<TagList> tags = find_in(db, arn);
    if (!tags) return tags;
    tags = change(std::move(*tags));
    db.prepare("UPDATE resources SET tags = ?2 WHERE arn = ?1").bind(arn, dump_json(to_json(*tags))).exec();
    return tags;
  });
}

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

TagList with_tags(TagList tags, const TagList& more, std::string_view arn) {
  // A key that is there keeps its place in the order and gets the new value. Linear search: 50 tags at most.
  for (const auto& [key, value] : more) {
    const auto same =
        std::find_if(tags.begin(), tags.end(), [&key = key](const auto& tag) { return tag.first == key; });
    if (same == tags.end())
      tags.emplace_back(key, value);
    else
      same->second = value;
  }
  if (tags.size() > kMaxTags)
    throw Error(Kind::kLimit, "The resource " + std::string(arn) + " would have more than 50 tags");
  return tags;
}

ResourceTags::ResourceTags(store::Database& database) : database_(database) { create_tables(database_); }

std::optional<TagList> ResourceTags::list(std::string_view arn) const {
  return database_.read([&](store::Connection& db) { return find_in(db, arn); });
}

std::optional<TagList> ResourceTags::add(std::string_view arn, const TagList& tags) {
  return change_tags(database_, arn, [&](TagList now) { return with_tags(std::move(now), tags, arn); });
}

std::optional<TagList> ResourceTags::remove(std::string_view arn, const std::vector<std::string>& keys) {
  return change_tags(database_, arn, [&](TagList now) {
    std::erase_if(now, [&](const auto& tag) { return std::find(keys.begin(), keys.end(), tag.first) != keys.end(); });
    return now;
  });
}

}  // namespace clary::resources
