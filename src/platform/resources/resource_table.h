// SPDX-License-Identifier: Apache-2.0
// The resources of one kind. All kinds share one table (schema.cpp). Names that differ only in case collide (their ARNs
// would be equal); look-ups are exact. Safe from any thread; every change is one durable transaction.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/resources/listing.h"
#include "platform/resources/resource.h"
#include "platform/resources/tags.h"
#include "platform/store/database.h"

namespace clary::resources {

struct Insertion {
  Resource resource;  // what is there now: the new one, or the one that has the name (in whatever case) already
  bool inserted = false;
};

class ResourceTable {
 public:
  enum class Modified { kNow, kAsSet };

  /// Creates the table when it is not there.
  ResourceTable(store::Database& database, ResourceKind kind);

  /// With its tags. @throws Error{kLimit} beyond kMaxTags
  Insertion insert(const Resource& resource, const TagList& tags = {});
  std::optional<Resource> find(std::string_view name) const;

  /// Reads, lets `change` alter status and body (or throw, which undoes), stamps `modified` unless it is to stay as
  /// `change` left it, writes: one transaction.
  /// @return the row as written; nothing when there is none
  std::optional<Resource> update(std::string_view name, const std::function<void(Resource&)>& change,
                                 Modified modified = Modified::kNow);

  /// With its tags. False when there is none of that name, or `allowed` is false for it.
  bool erase(std::string_view name, const std::function<bool(const Resource&)>& allowed = {});

  /// @throws Error{kInvalid} on a token that is not one of such a list
  ResourcePage list(const ResourceQuery& query) const;
  std::vector<Resource> with_status(const std::vector<std::string>& statuses) const;  // oldest first

 private:
  std::optional<Resource> find_in(store::Connection& db, std::string_view name) const;

  store::Database& database_;
  const KindRow& kind_;
};

}  // namespace clary::resources
