// SPDX-License-Identifier: Apache-2.0
// Lists of resources: what can be asked, the statement that answers it, and the tokens between its pages. A token is a
// place in the list's order (sort value and tie of the last row shown), not a count of rows: it keeps its place when
// rows come or go, and needs nothing on the server, so it is valid for ever.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "platform/resources/resource.h"

namespace clary::resources {

struct ResourceQuery {
  enum class Sort { kName, kCreationTime, kStatus };
  Sort sort = Sort::kCreationTime;
  bool ascending = false;
  std::string name_contains = {}, status = {};  // "" = any; the name in any case
  // Exclusive.
  std::optional<EpochMs> created_after = std::nullopt, created_before = std::nullopt;
  std::optional<EpochMs> modified_after = std::nullopt, modified_before = std::nullopt;
  int limit = 10;          // at least 1
  std::string token = {};  // of the page before
};

template <class T>
struct Page {
  std::vector<T> items;
  std::string next_token;  // "" at the end
};
using ResourcePage = Page<Resource>;

/// Columns of a resource in every SELECT.
inline constexpr const char* kResourceColumns = "id, name, arn, created, modified, status, body";

/// Parameters: ?1 kind, ?2 part of the name in lower case, ?3 status, ?4..?7 the times in the order of the query,
/// ?8 limit; behind a token also ?9 and ?10, its value and tie. The planner can use none of the filters, so that each
/// list walks the index of its order from its place on and never sorts, whatever is asked for.
std::string list_statement(const KindRow& kind, const ResourceQuery& query);

/// Behind which row a page begins.
struct Place {
  std::variant<std::int64_t, std::string> value, tie;
};

std::string token_of(const Resource& last, const KindRow& kind, ResourceQuery::Sort sort);
/// @throws Error{kInvalid} on a token that token_of() did not make for such a list
Place place_of(const std::string& token, const KindRow& kind, ResourceQuery::Sort sort);

}  // namespace clary::resources
