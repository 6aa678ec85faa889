// SPDX-License-Identifier: Apache-2.0
// A training job from channels to model: load, meet the other hosts, boost (or cross-validate), in the container's
// order of log lines.
#pragma once

#include "algorithms/xgboost/hyperparameters.h"
#include "algorithms/xgboost/model/model.h"
#include "learning/shell/train_context.h"

namespace clary::xgboost {

/// The model on the host that writes it; one without boosters on the others. A collective call.
Model train(const Hyperparameters& hp, shell::TrainContext& context);

}  // namespace clary::xgboost
