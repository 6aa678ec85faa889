// SPDX-License-Identifier: Apache-2.0
// One given value: its text read in the row's form, and checked against the row's range, with the container's messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "algorithms/xgboost/hyperparameter_table.h"

namespace clary::xgboost {

struct Value {
  double number = 0;               // kInteger, kReal
  std::vector<std::string> words;  // the members of lists; one for kWord and kText
  std::string text;                // as the library takes it
};

/// @throws Error{kInvalid} "Hyperparameter max_depth: could not parse value (caused by ValueError)"
Value read_value(const Row& row, std::string_view text);
/// @throws Error{kInvalid} "Hyperparameter eta: 1.5 is not in [0, 1]"
void check_range(const Row& row, const Value& value, Tag tag);

/// ['a', 'b']
std::string python_list(const std::vector<std::string>& words);

}  // namespace clary::xgboost
