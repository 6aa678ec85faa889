// SPDX-License-Identifier: Apache-2.0
// What XGBoost's hyperparameters need beyond ranges and choices, in the container's words: values of a form of their
// own, and the rules between names. A sentence is "" when nothing is wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/xgboost/hyperparameters.h"

namespace clary::xgboost {

/// "(1, 0, -1)", as the library takes it: "(1,0,-1)".
hyper::Read<std::string> read_monotone_constraints(std::string_view text);
/// "[[1, 2], [3]]", as the library takes it: "[[1,2],[3]]".
hyper::Read<std::string> read_interaction_constraints(std::string_view text);
/// Of "error@0.7"; no value for a metric without threshold.
std::optional<std::string> threshold_problem(std::string_view metric);

std::vector<hyper::Rule<Hyperparameters>> rules();
/// Rules about the texts, before their ranges are checked.
std::vector<hyper::TextRule> text_rules();

}  // namespace clary::xgboost
