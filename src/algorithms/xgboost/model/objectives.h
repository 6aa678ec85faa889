// SPDX-License-Identifier: Apache-2.0
// The objectives that a job may name: since which tag, what the library's margin means, and what kind of labels they
// want. Formulas: README.md.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "algorithms/xgboost/tag.h"
#include "formats/label_rule.h"

namespace clary::xgboost {

enum class Task { kRegression, kBinary, kMulticlass, kRanking, kSurvival };
/// From the margin f to the scale of the labels.
enum class Link { kIdentity, kLogistic, kExponential };

/// Labels that have a meaning; others make the loss infinite or a wrong class.
enum class Labels { kAny, kUnit, kClasses, kPositive, kNonNegative, kAboveMinusOne };

struct Objective {
  std::string_view name;
  Task task;
  Link link;
  Tag since;
  Labels labels = Labels::kAny;
  std::string_view metric_before_1_3 = {};  // its default metric then, where it is another one since
};

inline constexpr std::string_view kDefaultObjective = "reg:squarederror";

std::span<const Objective> objectives();
/// Null when there is none of that name.
const Objective* find_objective(std::string_view name);

/// What its labels must be; nothing when any number is one.
/// @param num_class  of multi:*
std::optional<formats::LabelRule> label_rule_of(std::string_view objective, int num_class);

}  // namespace clary::xgboost
