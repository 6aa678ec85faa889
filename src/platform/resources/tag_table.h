// SPDX-License-Identifier: Apache-2.0
// Tags of every kind of resource, by ARN. Inside a caller's transaction, so that a resource and its tags appear
// together.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "platform/store/database.h"

namespace clary::resources {

using TagList = std::vector<std::pair<std::string, std::string>>;

/// [{"Key","Value"}...] -> list. @throws Error{kInvalid} for a reserved (`aws:`) or repeated key
TagList parse_tags(const Json& tags);
Json to_json(const TagList& tags);

class TagTable {
 public:
  static constexpr std::size_t kMaxTags = 50;  // AWS limit a resource

  explicit TagTable(store::Database& database);

  /// Equal keys are overwritten. @throws Error{kLimit} beyond kMaxTags
  static void add(store::Connection& connection, std::string_view arn, const TagList& tags);
  static void remove_all(store::Connection& connection, std::string_view arn);

  TagList add(std::string_view arn, const TagList& tags);  // returns the complete list
  void remove(std::string_view arn, const std::vector<std::string>& keys);
  TagList list(std::string_view arn);  // in order of creation

 private:
  static TagList list(store::Connection& connection, std::string_view arn);
  store::Database& database_;
};

}  // namespace clary::resources
