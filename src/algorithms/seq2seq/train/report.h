// SPDX-License-Identifier: Apache-2.0
// The lines of the log, as Sockeye 1.10 writes them, because metric definitions and eyes read them. Lines of Clary's
// own begin with "Progress:" or are warnings and hints.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "algorithms/seq2seq/data/epoch.h"
#include "algorithms/seq2seq/data/read_pairs.h"
#include "algorithms/seq2seq/hyperparameters.h"
#include "algorithms/seq2seq/network/network.h"
#include "algorithms/seq2seq/train/selection.h"
#include "learning/shell/train_log.h"

namespace clary::seq2seq {

/// How far a training is.
struct Position {
  std::int64_t epoch = 0;    // that have ended
  std::int64_t batch = 0;    // of this epoch that were learned from
  std::int64_t updates = 0;  // of all epochs
  std::int64_t samples = 0;  // pairs of all updates
};

/// What a checkpoint is judged by.
struct CheckpointScores {
  Score train;  // of all batches since the checkpoint before
  Score validation;
  std::optional<double> bleu;

  /// Of the validation pairs. kBleu: needs bleu.
  double of(Metric metric) const;
};

/// beam_size, lowered to the words that there are to choose from and to what an endpoint takes.
std::int64_t usable_beam(const Hyperparameters& hp, const Architecture& architecture);

class Report {
 public:
  Report(shell::TrainLog& log, const Hyperparameters& hp) : log_(log), hp_(hp) {}

  void vocabulary(const Vocabulary& vocabulary, const std::string& file) const;
  /// Words of the training pairs and the share of them that the vocabularies know.
  void words(const PairData& train) const;
  /// Pairs of the channel that are cut or left out, and why.
  void left_out(const char* channel, const PairData& data) const;
  void buckets(std::span<const BatchPlan::BucketCount> buckets, std::int64_t pairs) const;
  /// Warnings about settings without effect, hints about settings that are likely to disappoint.
  /// @param batches  of an epoch
  void settings(const Architecture& architecture, std::int64_t batches) const;
  void started();

  /// The clock of the speed lines goes on: after a checkpoint, which does not count.
  void resume();
  /// An update. Every 50 updates a line with the speed and the scores since the last checkpoint, and at most every 30
  /// seconds one with the time left. @param batches  of an epoch
  void batch(const Position& position, std::int64_t batches, std::int64_t pairs, const Score& of_batch,
             const Score& since_checkpoint);

  void checkpoint(std::int64_t number, const Position& position, const Score& train);
  void validated(std::int64_t number, const CheckpointScores& scores) const;
  void judged(bool improved, const CheckpointScores& scores, const Selection& selection) const;
  void rate_lowered(std::int64_t checkpoints, double from, double to) const;
  void stopped_early(const Selection& selection) const;
  void limit_reached() const;
  void finished(std::int64_t checkpoint, const Selection& selection) const;

 private:
  using Clock = std::chrono::steady_clock;

  std::string scores_text(const Score& score) const;
  std::string time_left(const Position& position, std::int64_t batches, double updates_per_second) const;

  shell::TrainLog& log_;
  const Hyperparameters& hp_;
  Clock::time_point window_began_, progress_shown_, checkpoint_began_;
  std::int64_t window_pairs_ = 0, window_words_ = 0;  // of the speed line
  // Since progress was last shown, without the time of checkpoints.
  std::int64_t shown_updates_ = 0, shown_words_ = 0;
  double shown_seconds_ = 0;
};

}  // namespace clary::seq2seq
