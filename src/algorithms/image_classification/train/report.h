// SPDX-License-Identifier: Apache-2.0
// The lines of the log, as Image Classification's container writes them (MXNet's callbacks among them), because
// notebooks and metric definitions read them. Only accuracy lines of the validation pictures may contain
// "Validation-accuracy", and only the shell's line "Final configuration": published notebooks parse each line that
// does. Lines of our own use other words.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/image_classification/hyperparameters.h"
#include "algorithms/image_classification/train/scores.h"
#include "learning/shell/train_log.h"

namespace clary::image_classification {

class Report {
 public:
  Report(shell::TrainLog& log, const Hyperparameters& hp)
      : log_(log), hp_(hp), training_pictures_(hp.num_training_samples) {}

  /// Pictures of an epoch that were counted, of this host.
  void set_training_pictures(std::int64_t pictures) { training_pictures_ = pictures; }

  /// Before training: what the job does, in the container's order. @param hosts  of the job
  void parameters(int hosts, int threads) const;

  /// Training: one batch has ended. Every 20 batches a line with the speed and the scores since the last such line, and
  /// at most every 30 seconds one with the time left. @param batch  of the epoch, from 0; @param of_epoch  scores of
  /// the batches since the last call of begin_epoch()
  void begin_epoch(std::int64_t epoch);
  void batch(std::int64_t batch, std::int64_t pictures, const Scores& of_epoch);

  void trained(const Scores& scores) const;
  /// Images per second, rate, skipped and enlarged pictures and the time left, in words of our own.
  struct Progress {
    std::int64_t pictures = 0;  // of all hosts
    double rate = 0;
    std::int64_t skipped = 0, enlarged = 0;
  };
  void epoch_ended(const Progress& progress);
  void validated(const Scores& scores) const;
  void storing_best(double accuracy) const;
  void saved(const std::filesystem::path& params_file) const;

  /// At the end: how well each class is found, by the model that is kept.
  void classes(std::span<const metrics::ClassCounts> classes, const std::vector<std::string>& names,
               std::int64_t epoch) const;

 private:
  using Clock = std::chrono::steady_clock;

  shell::TrainLog& log_;
  const Hyperparameters& hp_;
  std::int64_t training_pictures_;
  std::int64_t epoch_ = 0, epochs_timed_ = 0;
  Clock::time_point epoch_began_, window_began_, progress_shown_;
  double seconds_of_epochs_ = 0;
  std::int64_t window_pictures_ = 0, epoch_pictures_ = 0;
  double window_right_ = 0, window_top_k_ = 0;  // sums up to the start of the window
};

}  // namespace clary::image_classification
