// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/objectives.h"

#include <algorithm>
#include <array>

namespace clary::xgboost {
namespace {

// The last column is the first version of the container that accepts the objective.
constexpr auto kObjectives = std::to_array<Objective>({
    {"binary:logistic", Task::kBinary, Link::kLogistic, kOldest},
    {"binary:logitraw", Task::kBinary, Link::kLogistic, kOldest},
    {"binary:hinge", Task::kBinary, Link::kIdentity, kOldest},
    {"count:poisson", Task::kRegression, Link::kExponential, kOldest},
    {"multi:softmax", Task::kMulticlass, Link::kIdentity, kOldest},
    {"multi:softprob", Task::kMulticlass, Link::kIdentity, kOldest},
    {"rank:pairwise", Task::kRanking, Link::kIdentity, kOldest},
    {"rank:ndcg", Task::kRanking, Link::kIdentity, kOldest},
    {"rank:map", Task::kRanking, Link::kIdentity, kOldest},
    {"reg:linear", Task::kRegression, Link::kIdentity, kOldest},
    {"reg:squarederror", Task::kRegression, Link::kIdentity, kOldest},
    {"reg:squaredlogerror", Task::kRegression, Link::kIdentity, kOldest},
    {"reg:logistic", Task::kRegression, Link::kLogistic, kOldest},
    {"reg:absoluteerror", Task::kRegression, Link::kIdentity, {1, 7}},
    {"reg:pseudohubererror", Task::kRegression, Link::kIdentity, {1, 2}},
    {"reg:gamma", Task::kRegression, Link::kExponential, kOldest},
    {"reg:tweedie", Task::kRegression, Link::kExponential, kOldest},
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

}  // namespace clary::xgboost
