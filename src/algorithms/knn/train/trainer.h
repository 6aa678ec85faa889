// SPDX-License-Identifier: Apache-2.0
// Training: sample, gather, reduce, index, score (k-NN has no epochs; step 3 of the usual loop is one pass).
#pragma once

#include "algorithms/knn/hyperparameters.h"
#include "algorithms/knn/model/model.h"
#include "learning/shell/train_context.h"

namespace clary::knn {

/// @return the model on the first host, an empty one on the others
Model train(const Hyperparameters& hp, shell::TrainContext& context);

}  // namespace clary::knn
