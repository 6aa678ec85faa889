// SPDX-License-Identifier: Apache-2.0
// The training log of Linear Learner, line for line as AWS's container writes it (README.md, "Log"). The trainer calls
// these at its points; nothing here computes anything but percentages and rates. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "algorithms/linear_learner/evaluate/metrics.h"
#include "algorithms/linear_learner/hyperparameters.h"
#include "algorithms/linear_learner/model/model.h"
#include "algorithms/linear_learner/model/weights.h"
#include "learning/shell/train_log.h"

namespace clary::linear_learner {

struct EpochResult {
  std::int64_t epoch = 0;                 // from 0
  std::int64_t rows = 0, batches = 0;     // of this host's training pass
  double train_seconds = 0;               // of that pass
  std::vector<double> train_loss{};       // one per candidate
  std::vector<double> validation_loss{};  // the same, or empty without a validation channel
  std::int64_t validation_rows = 0, validation_batches = 0;
  double criterion_value = 0;  // the epoch's best over the candidates, as the log shows it
  bool improved = false;       // on the best so far
  std::int64_t epochs_without_improvement = 0;
};

/// "sampled_accuracy" for two classes, the objective's name otherwise: what `criteria=` and `value` mean.
std::string criterion_name(const Hyperparameters& hp);

/// {"wd": 0.0001, "optimizer": "adam", ...}: the settings as the log's last lines and candidates.json show them.
std::string settings_text(const CandidateSettings& settings);

class Report {
 public:
  /// Says what it took otherwise than it was given, and which store is used.
  /// @param given  the hyperparameters as they came
  Report(shell::TrainLog& log, const Hyperparameters& hp, const hyper::TextMap& given, int hosts);

  /// "Scaling model computed with parameters: {...}"; wide vectors are shortened.
  /// @param mean, deviation  [D]; label_* empty for classification
  void scaler(std::span<const float> mean, std::span<const float> deviation, std::optional<double> label_mean,
              std::optional<double> label_deviation);
  void epoch(const EpochResult& result);
  void checkpoint(const std::filesystem::path& file);
  /// #<channel>_score (validation, test) and #quality_metric lines of one channel.
  void final_metrics(const std::string& channel, const std::vector<NamedMetric>& metrics);
  /// The candidate table, then "Best model found for hyperparameters: {...}".
  void best(const TrainingRecord& record);
  /// Warns when no threshold reaches target_recall or target_precision. @param value  the best criterion's
  void target(double value);
  void no_test_data();
  /// The last line: times of the whole run.
  void finished();

 private:
  using Clock = std::chrono::system_clock;

  /// What AWS's data iterators count, per channel.
  struct Passes {
    std::int64_t resets = 0, rows = 0, batches = 0, most_rows = 0, most_batches = 0;
  };

  void per_candidate(const EpochResult& result);
  void quality(const std::string& channel, const std::string& name, const std::string& kind, double value,
               std::optional<std::int64_t> epoch);
  void pass(Passes& passes, const std::string& meta, std::int64_t rows, std::int64_t batches, std::int64_t epoch);

  shell::TrainLog& log_;
  const Hyperparameters& hp_;
  std::string objective_;
  Clock::time_point start_, epoch_start_;
  std::optional<Clock::time_point> first_epoch_, last_epoch_;
  std::int64_t epochs_ = 0;
  double update_seconds_ = 0;
  Passes train_, validation_;
};

}  // namespace clary::linear_learner
