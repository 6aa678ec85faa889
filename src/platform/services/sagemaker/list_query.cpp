// SPDX-License-Identifier: Apache-2.0
#include "platform/services/sagemaker/list_query.h"

#include <cmath>

namespace clary::sagemaker {
namespace {

std::optional<EpochMs> time_member(const Json& input, const char* name) {
  const auto found = input.find(name);
  if (found == input.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) return parse_iso8601(found->get<std::string>());
  return static_cast<EpochMs>(std::llround(found->get<double>() * 1000));
}

}  // namespace

// Values outside of the enums were refused by the service model, so that everything else means the default.
resources::ResourceQuery list_query(const Json& input) {
  resources::ResourceQuery query;
  using Sort = resources::ResourceQuery::Sort;
  const std::string sort = input.value("SortBy", "CreationTime");
  query.sort = sort == "Name" ? Sort::kName : sort == "Status" ? Sort::kStatus : Sort::kCreationTime;
  query.ascending = input.value("SortOrder", "Descending") == "Ascending";
  query.name_contains = input.value("NameContains", "");
  query.status = input.value("StatusEquals", "");
  query.limit = input.value("MaxResults", 10);
  query.token = input.value("NextToken", "");
  query.created_after = time_member(input, "CreationTimeAfter");
  query.created_before = time_member(input, "CreationTimeBefore");
  query.modified_after = time_member(input, "LastModifiedTimeAfter");
  query.modified_before = time_member(input, "LastModifiedTimeBefore");
  return query;
}

}  // namespace clary::sagemaker
