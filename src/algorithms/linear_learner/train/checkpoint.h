// SPDX-License-Identifier: Apache-2.0
// A job's state at the end of an epoch in the shell's form (learning/shell/checkpoint.h): a job that was killed ends
// with the model it would have ended with. Members: README.md, "Checkpoint".
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/linear_learner/train/search.h"
#include "base/json.h"
#include "learning/shell/checkpoint.h"

namespace clary::linear_learner {

struct Checkpoint {
  std::int64_t slice = 0;  // first candidate of the slice
  std::int64_t epoch = 0;  // finished epochs of it
  Parameters parameters;
  Learner::State state;
  std::optional<double> stopping_best;
  std::int64_t stopping_idle = 0;
  std::vector<CandidateOutcome> outcomes;  // without their settings, which follow from the hyperparameters
  Best best;
};

/// What a job must share with a checkpoint to go on from it.
/// @param together  candidates of a slice
Json checkpoint_identity(const Hyperparameters& hp, const TrainingData& data, std::size_t candidates,
                         std::size_t together);

shell::Checkpoint to_shell(const Checkpoint& c);
/// All but `parameters` and `state`, which belong to one slice: take_slice() reads them.
/// @throws Error{kMalformed} naming the member and the rule
Checkpoint from_shell(const shell::Checkpoint& c, std::size_t candidates, std::int64_t features, std::int64_t outputs);
/// @param lanes  of the slice that begins at to.slice
void take_slice(const shell::Checkpoint& c, const Lanes& lanes, std::int64_t features, Checkpoint& to);

}  // namespace clary::linear_learner
