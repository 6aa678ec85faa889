// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/objectives.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

namespace clary::xgboost {
namespace {

// The last column is the first version of the container that accepts the objective.
constexpr auto kObjectives = std::to_array<Objective>({
    {"binary:logistic", Task::kBinary, Link::kLogistic, kOldest, Labels::kUnit, "error"},
    {"binary:logitraw", Task::kBinary, Link::kLogistic, kOldest, Labels::kUnit, "auc"},
    {"binary:hinge", Task::kBinary, Link::kIdentity, kOldest},
    {"count:poisson", Task::kRegression, Link::kExponential, kOldest, Labels::kNonNegative},
    {"multi:softmax", Task::kMulticlass, Link::kIdentity, kOldest, Labels::kClasses, "merror"},
    {"multi:softprob", Task::kMulticlass, Link::kIdentity, kOldest, Labels::kClasses, "merror"},
    {"rank:pairwise", Task::kRanking, Link::kIdentity, kOldest},
    {"rank:ndcg", Task::kRanking, Link::kIdentity, kOldest},
    {"rank:map", Task::kRanking, Link::kIdentity, kOldest},
    {"reg:linear", Task::kRegression, Link::kIdentity, kOldest},
    {"reg:squarederror", Task::kRegression, Link::kIdentity, kOldest},
    {"reg:squaredlogerror", Task::kRegression, Link::kIdentity, kOldest, Labels::kAboveMinusOne},
    {"reg:logistic", Task::kRegression, Link::kLogistic, kOldest, Labels::kUnit},
    {"reg:absoluteerror", Task::kRegression, Link::kIdentity, {1, 7}},
    {"reg:pseudohubererror", Task::kRegression, Link::kIdentity, {1, 2}},
    {"reg:gamma", Task::kRegression, Link::kExponential, kOldest, Labels::kPositive},
    {"reg:tweedie", Task::kRegression, Link::kExponential, kOldest, Labels::kNonNegative},
    {"survival:aft", Task::kSurvival, Link::kExponential, {1, 2}},
    {"survival:cox", Task::kSurvival, Link::kExponential, kOldest},
});

}  // namespace

std::span<const Objective> objectives() { return kObjectives; }

const Objective* find_objective(std::string_view name) {
  const auto found =
      std::find_if(kObjectives.begin(), kObjectives.end(), [&](const auto& o) { return o.name == name; });
  return found == kObjectives.end() ? nullptr : &*found;
}

std::optional<formats::LabelRule> label_rule_of(std::string_view name, int num_class) {
  const Objective* objective = find_objective(name);
  if (objective == nullptr) return std::nullopt;
  // The library's words, which users search for.
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto rule = [&](float low, float high, bool whole, const std::string& words) {
    return formats::LabelRule{low, high, whole, fmt::format("valid: {} (objective {})", words, name)};
  };
  switch (objective->labels) {
    case Labels::kUnit:
      return rule(0, 1, false, "label must be in [0,1] for logistic regression");
    case Labels::kClasses:
      return rule(0, static_cast<float>(num_class - 1), true,
                  fmt::format("label must be in [0, num_class) and whole; num_class is {}", num_class));
    case Labels::kPositive:
      return rule(std::numeric_limits<float>::denorm_min(), kInfinity, false,
                  "GammaRegression: label must be positive");
    case Labels::kNonNegative:
      return rule(0, kInfinity, false,
                  name == "reg:tweedie" ? "TweedieRegression: label must be nonnegative"
                                        : "PoissonRegression: label must be nonnegative");
    case Labels::kAboveMinusOne:
      return rule(std::nextafter(-1.0F, 0.0F), kInfinity, false, "label must be greater than -1 for rmsle");
    case Labels::kAny:
      break;
  }
  return std::nullopt;
}

}  // namespace clary::xgboost
