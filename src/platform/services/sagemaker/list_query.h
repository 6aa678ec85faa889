// SPDX-License-Identifier: Apache-2.0
// The members that every List operation shares (MaxResults, NextToken, SortBy, ..., control-plane.md section 4), read
// into a ResourceQuery.
#pragma once

#include "base/json.h"
#include "platform/resources/resource_table.h"

namespace clary::sagemaker {

/// Default: CreationTime, Descending, 10.
resources::ResourceQuery list_query(const Json& input);

/// {"<member>": [summary(row)...], "NextToken": ...}
template <class F>
Json list_answer(const resources::ResourcePage& page, const char* member, F summary) {
  Json list = Json::array();
  for (const resources::Resource& row : page.items) list.push_back(summary(row));
  Json answer{{member, std::move(list)}};
  if (!page.next_token.empty()) answer["NextToken"] = page.next_token;
  return answer;
}

}  // namespace clary::sagemaker
