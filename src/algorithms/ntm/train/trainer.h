// SPDX-License-Identifier: Apache-2.0
// The training job: data in, epochs with early stopping, report, model out. Prints what AWS's NTM prints.
#pragma once

#include "algorithms/ntm/hyperparameters.h"
#include "algorithms/ntm/model/model.h"
#include "learning/shell/train_context.h"

namespace clary::ntm {

/// @throws Error{kInvalid, kMalformed} for the user's mistakes
Model train(const Hyperparameters& hp, shell::TrainContext& context);

}  // namespace clary::ntm
