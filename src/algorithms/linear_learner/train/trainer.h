// SPDX-License-Identifier: Apache-2.0
// Training: the candidates side by side, model choice, polish.
#pragma once

#include "algorithms/linear_learner/hyperparameters.h"
#include "algorithms/linear_learner/model/model.h"
#include "learning/shell/train_context.h"

namespace clary::linear_learner {

Model train(const Hyperparameters& hp, shell::TrainContext& context);

}  // namespace clary::linear_learner
