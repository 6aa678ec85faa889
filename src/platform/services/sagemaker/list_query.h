// SPDX-License-Identifier: Apache-2.0
// The members that every List operation shares (MaxResults, NextToken, SortBy, ..., control-plane.md section 4), read
// into a ResourceQuery.
#pragma once

#include "base/json.h"
#include "platform/resources/listing.h"

namespace clary::sagemaker {

/// Default: CreationTime, Descending, 10.
resources::ResourceQuery list_query(const Json& input);

/// {"<member>": [summary(item)...], "NextToken": ...}
template <class T, class F>
Json list_answer(const resources::Page<T>& page, const char* member, F summary) {
  Json list = Json::array();
  for (const T& item : page.items) list.push_back(summary(item));
  Json answer{{member, std::move(list)}};
  if (!page.next_token.empty()) answer["NextToken"] = page.next_token;
  return answer;
}

}  // namespace clary::sagemaker
