// SPDX-License-Identifier: Apache-2.0
// The epochs: candidates train side by side, are judged after each pass, and the best of all epochs is kept. Candidates
// whose weights do not fit into memory together train in slices, one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/linear_learner/model/model.h"
#include "algorithms/linear_learner/train/learner.h"
#include "algorithms/linear_learner/train/polish.h"
#include "algorithms/linear_learner/train/report.h"
#include "algorithms/linear_learner/train/training_data.h"
#include "learning/shell/checkpoint.h"

namespace clary::linear_learner {

/// The best model so far, of the scaled problem.
struct Best {
  Solution solution;
  std::size_t candidate = 0;
  std::int64_t epoch = 0;
  double value = 0;  // the criterion, higher is better
  double loss = 0;
  double threshold = kDefaultThreshold;
};

class Search {
 public:
  Search(const Hyperparameters& hp, shell::TrainContext& context, const TrainingData& data,
         std::vector<CandidateSettings> candidates, std::vector<float> class_weights, Team& team, Judge& judge,
         Report& report);

  void run();

  const Best& best() const { return *best_; }
  const std::vector<CandidateOutcome>& outcomes() const { return outcomes_; }
  bool stopped() const { return stopped_; }
  /// Passes over the rows, times candidates.
  std::int64_t candidate_passes() const { return candidate_passes_; }

 private:
  struct Slice;

  std::int64_t slice_models() const;
  void run_slice(std::size_t first, std::size_t count);
  void train_epoch(Slice& slice, std::int64_t epoch);
  void train_rows_in_memory(Slice& slice, std::int64_t epoch);
  void train_stream(Slice& slice);
  void judge_epoch(Slice& slice, std::int64_t epoch);
  void keep_outcomes(const Slice& slice, const Judgement& judgement, std::int64_t epoch);
  void keep_best(const Slice& slice, const Parameters& p, const Judgement& judgement, std::int64_t epoch);
  void save_checkpoint(const Slice& slice, std::int64_t epoch);
  bool resume(Slice& slice);

  const Hyperparameters& hp_;
  shell::TrainContext& context_;
  const TrainingData& data_;
  std::vector<CandidateSettings> candidates_;
  std::vector<float> class_weights_;
  Team& team_;
  Judge& judge_;
  Report& report_;
  std::vector<CandidateOutcome> outcomes_;
  std::optional<Best> best_;
  std::vector<ColumnIndex> indices_;  // by batch
  std::size_t together_;              // candidates of a slice
  shell::Checkpoints checkpoints_;
  std::optional<shell::Checkpoint> checkpoint_;  // where to go on from; until the slice that it is of has begun
  bool stopped_ = false;
  std::int64_t candidate_passes_ = 0;
};

}  // namespace clary::linear_learner
