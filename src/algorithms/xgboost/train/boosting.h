// SPDX-License-Identifier: Apache-2.0
// The training loop: rounds of boosting with their evaluation lines, early stopping, checkpoints and stops.
#pragma once

#include <filesystem>
#include <vector>

#include "algorithms/xgboost/evaluate/evaluation.h"
#include "algorithms/xgboost/hyperparameters.h"
#include "algorithms/xgboost/library/library.h"
#include "algorithms/xgboost/train/report.h"
#include "learning/shell/train_context.h"

namespace clary::xgboost {

/// What one training needs besides its rows.
struct Boosting {
  const Hyperparameters& hp;
  shell::TrainContext& context;
  Report& report;
  Communicator* communicator = nullptr;  // of the hosts that train together; null: alone
  std::filesystem::path checkpoint_dir;  // empty: no checkpoints
  std::filesystem::path model_file;      // written every round; empty: not

  /// The host that speaks for all of them.
  bool is_master() const { return communicator == nullptr || communicator->rank() == 0; }
};

struct Boosted {
  Booster booster;
  std::vector<Entry> entries;  // of the last round
};

/// Trains num_round rounds, fewer when stopped early or by the platform; early stopping keeps the best rounds only. The
/// model has the attributes best_iteration (from 0) and best_ntree_limit (best_iteration + 1). A collective call.
/// @param validation  may be null
/// @throws Error{kCancelled} when stopped before the first round
Boosted boost(const Boosting& job, const Matrix& train, const Matrix* validation);

}  // namespace clary::xgboost
