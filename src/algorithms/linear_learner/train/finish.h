// SPDX-License-Identifier: Apache-2.0
// After the last epoch: the best candidate is polished, folded onto raw features and scored, and becomes the Model.
#pragma once

#include <vector>

#include "algorithms/linear_learner/model/model.h"
#include "algorithms/linear_learner/train/report.h"
#include "algorithms/linear_learner/train/search.h"
#include "algorithms/linear_learner/train/training_data.h"

namespace clary::linear_learner {

Model finish(const Hyperparameters& hp, shell::TrainContext& context, const TrainingData& data, const Search& search,
             const std::vector<float>& class_weights, Team& team, Judge& judge, Report& report);

}  // namespace clary::linear_learner
