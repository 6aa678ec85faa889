// SPDX-License-Identifier: Apache-2.0
// All channels of a job, read, checked and scaled, and what follows from them: the scaler, class counts, the size of a
// mini-batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/linear_learner/data/dataset.h"
#include "algorithms/linear_learner/data/rows.h"
#include "algorithms/linear_learner/data/scaler.h"
#include "algorithms/linear_learner/hyperparameters.h"
#include "algorithms/linear_learner/train/selection.h"
#include "learning/shell/train_context.h"

namespace clary::linear_learner {

struct TrainingData {
  std::int64_t features = 0;  // D
  bool sparse = false;        // layout of all rows below
  Scaler scaler;
  Rows train;             // this host's, shuffled; the first ones only when `streamed`
  bool streamed = false;  // on some host they do not fit into memory: they are read again every epoch
  std::int64_t rows_everywhere = 0;
  std::int64_t most_rows = 0;              // on one host
  std::int64_t batch_rows = 0;             // of one host in one update
  std::vector<std::int64_t> class_counts;  // [K], two for binary; all hosts; of the rows read first
  JudgingRows judging;                     // validation, or a sample of train
  std::optional<Rows> test;
  std::vector<float> test_labels;

  std::int64_t batches() const { return batch_rows == 0 ? 0 : (most_rows + batch_rows - 1) / batch_rows; }
  /// negatives / positives; 1 when a class is missing
  double balanced_weight() const;
  /// Inverse class frequencies; kUnseenClassWeight for a class without rows.
  std::vector<float> balanced_class_weights() const;
};

/// The weight that AWS gives to classes it has not seen.
inline constexpr float kUnseenClassWeight = 1e6f;
/// An epoch has at least about as many updates: larger batches are cut. One update an epoch visibly underfits.
inline constexpr std::int64_t kUpdatesPerEpoch = 20;

/// @throws Error{kInvalid, kMalformed} for data that cannot be trained on
TrainingData load_training_data(const Hyperparameters& hp, shell::TrainContext& context, Team& team);

/// Labels on their own scale.
std::vector<float> original_labels(const Rows& rows, const Scaler& scaler);

}  // namespace clary::linear_learner
