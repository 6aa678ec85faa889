// SPDX-License-Identifier: Apache-2.0
// The rows of models, endpoint configurations, endpoints and transform jobs: a name, an ARN, times, a status, and a
// JSON document with the rest. Names that differ only in case collide (their ARNs would be equal); look-ups are exact.
// Safe from any thread; every change is one durable transaction.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "platform/resources/tag_table.h"

namespace clary::resources {

enum class ResourceKind { kModel, kEndpointConfig, kEndpoint, kTransformJob };

struct Resource {
  std::string name, arn;
  EpochMs created = 0, modified = 0;
  std::string status;  // "" for models and configurations
  Json body = Json::object();
};

struct Insertion {
  Resource resource;  // what is there now: the new one, or the one that has the name (in whatever case) already
  bool inserted = false;
};

struct ResourceQuery {
  enum class Sort { kName, kCreationTime, kStatus };
  Sort sort = Sort::kCreationTime;
  bool ascending = false;
  std::string name_contains, status;                                                      // "" = any
  std::optional<EpochMs> created_after, created_before, modified_after, modified_before;  // exclusive
  int limit = 10;
  std::string token;
};

struct ResourcePage {
  std::vector<Resource> items;
  std::string next_token;  // "" at the end
};

class ResourceTable {
 public:
  /// Creates the tables when they are not there.
  ResourceTable(store::Database& database, ResourceKind kind);

  /// With its tags. @throws Error{kLimit} beyond kMaxTags
  Insertion insert(const Resource& resource, const TagList& tags = {});
  std::optional<Resource> find(std::string_view name) const;
  /// With its tags. False when there is none of that name.
  bool erase(std::string_view name);

  /// Reads, lets `change` alter status and body (or throw, which undoes), stamps `modified`, writes: one transaction.
  /// @return the row as written; nothing when there is none
  std::optional<Resource> update(std::string_view name, const std::function<void(Resource&)>& change);

  /// @throws Error{kInvalid} on a token that is not ours
  ResourcePage list(const ResourceQuery& query) const;
  std::vector<Resource> with_status(const std::vector<std::string>& statuses) const;

 private:
  std::string sql(std::string_view text) const;  // puts the table's name where TABLE stands

  store::Database& database_;
  TagTable tags_;
  std::string_view table_;
};

}  // namespace clary::resources
