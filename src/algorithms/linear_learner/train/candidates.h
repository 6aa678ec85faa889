// SPDX-License-Identifier: Apache-2.0
// The models that train side by side: which settings each of them has (README.md, "Candidates").
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/linear_learner/hyperparameters.h"
#include "algorithms/linear_learner/model/weights.h"

namespace clary::linear_learner {

/// hyperparameters.models() candidates. Whatever the user gave is the same in all of them; the rest follows a fixed
/// grid.
/// @param planned_updates   updates of the whole training, for the learning rate of a single candidate
/// @param balanced_weight   negatives / positives, for positive_example_weight_mult balanced and auto
std::vector<CandidateSettings> candidate_grid(const Hyperparameters& hp, std::int64_t planned_updates,
                                              double balanced_weight);

/// The learning rate that is safest for one model: 0.1 below 300 updates, 0.03 below 3000, else 0.01.
double single_learning_rate(std::int64_t planned_updates);

}  // namespace clary::linear_learner
