// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/resource.h"

namespace clary::resources {

std::optional<ResourceKind> kind_of_arn(std::string_view arn) {
  // The last colon before the first slash: names cannot contain either, so the word between the two is the kind.
  const std::size_t slash = arn.find('/');
  const std::size_t colon = arn.rfind(':', slash);
  if (slash == std::string_view::npos || colon == std::string_view::npos) return std::nullopt;
  const std::string_view word = arn.substr(colon + 1, slash - colon - 1);
  for (const KindRow& row : kKinds)
    if (row.word == word) return row.kind;
  return std::nullopt;
}

}  // namespace clary::resources
