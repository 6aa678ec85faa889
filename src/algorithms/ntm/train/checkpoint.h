// SPDX-License-Identifier: Apache-2.0
// A job's state at the end of an epoch in the shell's form (learning/shell/checkpoint.h).
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/ntm/hyperparameters.h"
#include "algorithms/ntm/model/parameters.h"
#include "algorithms/ntm/train/optimizer.h"
#include "learning/shell/checkpoint.h"

namespace clary::ntm {

struct Checkpoint {
  std::int64_t epoch = 0;       // finished epochs
  std::vector<double> history;  // monitored losses
  Parameters parameters, best;
  Optimizer::State optimizer;  // rows all up to date (Optimizer::flush)
};

/// What a job must share with a checkpoint to go on from it: the model's shape and the optimizer.
Json checkpoint_identity(const Hyperparameters& hp);

shell::Checkpoint to_shell(const Checkpoint& c);
/// @throws Error{kMalformed}
Checkpoint from_shell(const shell::Checkpoint& c, const Shape& shape);

}  // namespace clary::ntm
