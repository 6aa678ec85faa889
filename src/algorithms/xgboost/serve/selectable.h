// SPDX-License-Identifier: Apache-2.0
// Selectable content: SAGEMAKER_INFERENCE_OUTPUT names what an answer holds of each row. Which keys an objective has,
// and how each is computed, is one table in selectable.cpp.
#pragma once

#include <string>
#include <vector>

#include "algorithms/xgboost/serve/response.h"

namespace clary::xgboost {

/// True for the objectives that have keys.
bool is_selectable(const std::string& objective);

/// Keys that the objective does not have, and that are answered as NaN.
std::vector<std::string> keys_without_value(const std::string& objective, const std::vector<std::string>& keys);

/// What a row's keys are computed from; the last two only when a key asks for them.
struct SelectableInput {
  std::string objective;
  std::int64_t num_class = 0;
  Scores scores, contributions, leaves;
};

std::vector<Fields> selected_fields(const SelectableInput& input, const std::vector<std::string>& keys);

}  // namespace clary::xgboost
