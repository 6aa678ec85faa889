// SPDX-License-Identifier: Apache-2.0
// CloudWatch's filter patterns for unstructured text: `a "b c"` all of them, `?a ?b` any of them, `-a` not that one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace clary::services {

class FilterPattern {
 public:
  /// @throws Error{kInvalid} for JSON, space-delimited and regular-expression patterns, which are not supported
  explicit FilterPattern(std::string_view pattern);
  bool matches(std::string_view message) const;

 private:
  std::vector<std::string> all_, any_, none_;
};

}  // namespace clary::services
