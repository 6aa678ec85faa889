// SPDX-License-Identifier: Apache-2.0
// `autotune`: which learning rate and how many epochs a classifier needs, by its accuracy on the validation channel.
// Each try is a whole training without a log of its own; the final one, with the best values, comes after.
#pragma once

#include "algorithms/blazingtext/train/trainer.h"
#include "learning/shell/train_log.h"

namespace clary::blazingtext {

/// First the rates 0.05, 0.1, 0.25, 0.5 and 1 with the epochs given, then the best rate with twice and four times the
/// epochs; more epochs must gain at least 0.002. Says what it tries in `log`. When stopped, the best so far.
/// @param job  of mode supervised, with validation text
Hyperparameters autotuned(const TrainingJob& job, shell::TrainLog& log);

}  // namespace clary::blazingtext
