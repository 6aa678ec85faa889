// SPDX-License-Identifier: Apache-2.0
// A job's state at the end of an epoch, so that a job that was killed goes on where it was and ends with the model it
// would have ended with: one zip file per host, replaced atomically, in the job's checkpoint folder. Layout: README.md,
// "Checkpoint". Bytes that are read may come from strangers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/linear_learner/train/search.h"
#include "base/json.h"

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

std::filesystem::path checkpoint_file(const std::filesystem::path& dir, const std::string& host);

/// What a job must share with a checkpoint to go on from it.
Json checkpoint_identity(const Hyperparameters& hp, const TrainingData& data, std::size_t candidates);

std::string to_bytes(const Checkpoint& checkpoint, const Json& identity);

/// Nothing when it is of another job, or of another slice's size (then the caller starts that slice anew).
/// @throws Error{kMalformed} naming the member and the rule
std::optional<Checkpoint> from_bytes(std::string_view bytes, const Json& identity, const Lanes& lanes,
                                     std::int64_t features, std::int64_t outputs);

}  // namespace clary::linear_learner
