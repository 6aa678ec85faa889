// SPDX-License-Identifier: Apache-2.0
// A job's state at the end of an epoch, so that a job that was killed goes on where it was: one zip file per host,
// replaced atomically, in the job's checkpoint folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/ntm/hyperparameters.h"
#include "algorithms/ntm/model/parameters.h"
#include "algorithms/ntm/train/optimizer.h"

namespace clary::ntm {

struct Checkpoint {
  std::int64_t epoch = 0;        // finished epochs
  std::vector<double> history;   // monitored losses
  Parameters parameters, best;
  Optimizer::State optimizer;    // rows all up to date (Optimizer::flush)
};

std::filesystem::path checkpoint_file(const std::filesystem::path& dir, const std::string& host);

std::string to_bytes(const Checkpoint& c, const Hyperparameters& hp);
/// Nothing when the checkpoint belongs to a job with another model shape or optimizer.
/// @throws Error{kMalformed}
std::optional<Checkpoint> from_bytes(std::string_view bytes, const Hyperparameters& hp);

}  // namespace clary::ntm
