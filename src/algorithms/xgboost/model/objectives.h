// SPDX-License-Identifier: Apache-2.0
// The objectives that a job may name: since which tag, what the library's margin means, and what kind of labels they
// want. Formulas: README.md.
#pragma once

#include <span>
#include <string_view>

#include "algorithms/xgboost/tag.h"

namespace clary::xgboost {

enum class Task { kRegression, kBinary, kMulticlass, kRanking, kSurvival };
/// From the margin f to the scale of the labels.
enum class Link { kIdentity, kLogistic, kExponential };

struct Objective {
  std::string_view name;
  Task task;
  Link link;
  Tag since;
};

inline constexpr std::string_view kDefaultObjective = "reg:squarederror";

std::span<const Objective> objectives();
/// Null when there is none of that name.
const Objective* find_objective(std::string_view name);

}  // namespace clary::xgboost
