// SPDX-License-Identifier: Apache-2.0
// Training on several hosts. First all hosts say whether they have data, over the project's own collective; those
// without are left out. Then the others meet in the library's collective, through a tracker on the first of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/xgboost/library/library.h"
#include "algorithms/xgboost/train/report.h"
#include "algorithms/xgboost/train/tracker.h"
#include "learning/shell/train_context.h"

namespace clary::xgboost {

/// What a host brings.
struct Share {
  std::int64_t train_rows = 0, validation_rows = 0, columns = 0;
};

/// Who trains: ranks of the hosts with rows in every channel of the job, and the most columns that any host has.
struct Census {
  std::vector<int> members{0};
  std::int64_t columns = 0;
};
/// A collective call. @throws Error{kInvalid} "No hosts received training data."
Census take_census(shell::TrainContext& context, const Share& share);

/// A host's part in the training. Destroyed in the order: communicator, tracker.
struct Membership {
  bool trains = true;                          // false: this host has no data
  std::unique_ptr<Tracker> tracker;            // on the first host that trains
  std::unique_ptr<Communicator> communicator;  // null: this host trains alone
};
/// A collective call. While a communicator lives, making a matrix is a collective call of the library too: hosts must
/// have made theirs before.
Membership join(shell::TrainContext& context, const Census& census, Report& report);

/// What XGCommunicatorInit takes.
std::string communicator_config(const std::string& tracker_address, std::uint16_t port, int rank, int members);

}  // namespace clary::xgboost
