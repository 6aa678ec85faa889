// SPDX-License-Identifier: Apache-2.0
// Training on several hosts. First all hosts say whether they have data, over the project's own collective; those
// without are left out. Then the others meet in the library's collective, through a tracker on the first of them.
#pragma once

#include <cstdint>
#include <memory>

#include "algorithms/xgboost/library.h"
#include "algorithms/xgboost/log.h"
#include "algorithms/xgboost/tracker.h"
#include "learning/shell/train_context.h"

namespace clary::xgboost {

/// What a host brings.
struct Share {
  std::int64_t train_rows = 0, validation_rows = 0, columns = 0;
};

/// A host's part in the training. Destroyed in the order: communicator, tracker.
struct Membership {
  bool trains = true;                          // false: this host has no data
  std::int64_t columns = 0;                    // the most that any host has
  std::unique_ptr<Tracker> tracker;            // on the first host that trains
  std::unique_ptr<Communicator> communicator;  // null: this host trains alone
};

/// A collective call. @throws Error{kInvalid} "No hosts received training data."
Membership join(shell::TrainContext& context, const Share& share, Log& log);

/// What XGCommunicatorInit takes.
std::string communicator_config(const std::string& tracker_address, std::uint16_t port, int rank, int members);

}  // namespace clary::xgboost
