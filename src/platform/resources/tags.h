// SPDX-License-Identifier: Apache-2.0
// Tags of every kind of resource. They lie in the resource's row, so they come and go with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "platform/store/database.h"

namespace clary::resources {

constexpr std::size_t kMaxTags = 50;  // AWS limit a resource

using TagList = std::vector<std::pair<std::string, std::string>>;  // in order of creation

/// [{"Key","Value"}...] -> list. @throws Error{kInvalid} for a reserved (`aws:`) or repeated key
TagList parse_tags(const Json& tags);
Json to_json(const TagList& tags);

/// `tags` and `more`, whose values win where a key is in both. @throws Error{kLimit} beyond kMaxTags
TagList with_tags(TagList tags, const TagList& more, std::string_view arn);

/// The tags of a resource of any kind, by its ARN. Each call is one transaction and answers nothing when no resource
/// has the ARN.
class ResourceTags {
 public:
  explicit ResourceTags(store::Database& database);

  std::optional<TagList> list(std::string_view arn) const;
  /// @return all that it has now. @throws Error{kLimit} beyond kMaxTags
  std::optional<TagList> add(std::string_view arn, const TagList& tags);
  std::optional<TagList> remove(std::string_view arn, const std::vector<std::string>& keys);

 private:
  store::Database& database_;
};

}  // namespace clary::resources
