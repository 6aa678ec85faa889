// SPDX-License-Identifier: Apache-2.0
// A job's state at the end of an epoch in the shell's form (learning/shell/checkpoint.h): arrays without their padding,
// named "<set>/<parameter>" with the sets now, best, first and second (the optimizer's).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/image_classification/hyperparameters.h"
#include "algorithms/image_classification/train/class_weights.h"
#include "algorithms/image_classification/train/optimizer.h"
#include "algorithms/image_classification/train/scores.h"
#include "base/json.h"
#include "learning/nn/parameters.h"
#include "learning/shell/checkpoint.h"

namespace clary::image_classification {

/// The model with the highest validation accuracy so far.
struct Best {
  std::int64_t epoch = 0;  // from 0
  double accuracy = 0;
  Json metrics = Json::object();
  std::vector<metrics::ClassCounts> classes;
  nn::Parameters parameters;
};

struct State {
  std::int64_t epochs = 0;  // finished
  std::optional<Best> best;
  std::optional<double> stopping_best;  // of early stopping
  std::int64_t stopping_idle = 0;
  ClassWeights weights;  // use_weighted_loss
};

/// What a job must share with a checkpoint to go on from it.
Json checkpoint_identity(const Hyperparameters& hp, const Json& topology);

shell::Checkpoint to_shell(const State& state, const nn::Parameters& now, Optimizer& optimizer);
/// Into `now` and `optimizer`, which have the job's shapes. @throws Error{kMalformed}
State from_shell(const shell::Checkpoint& checkpoint, std::int64_t classes, nn::Parameters& now, Optimizer& optimizer);

}  // namespace clary::image_classification
