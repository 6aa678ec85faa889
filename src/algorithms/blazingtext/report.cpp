// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace clary::blazingtext {
namespace {

/// As printed in the logs that users have: a new best is worth storing.
constexpr double kHardlyLearned = 0.1;  // ours: this share of the way from chance to perfect
constexpr const char* kImproved = "Validation accuracy improved! Storing best weights...";

}  // namespace

void Report::running(const collective::Hosts& hosts) {
  const auto mode = name_of(hyperparameters_.mode);
  if (hosts.size() == 1) return log_.info("Running single machine CPU BlazingText training using {} mode.", mode);
  log_.info("Running distributed CPU BlazingText training using {} on {} hosts.", mode, hosts.size());
  log_.info("Number of hosts: {}, host: {}.", hosts.size(), hosts.current);
}

void Report::processing(const std::string& path, std::uint64_t bytes) {
  log_.plain(fmt::format("Processing {} . File size: {} MB", path, bytes >> 20));
}

void Report::words_read(std::int64_t tokens) { log_.plain(fmt::format("Read {}M words", tokens / 1'000'000)); }

void Report::vocabulary(std::int64_t words, std::int64_t labels) {
  labels_ = labels;
  log_.plain(fmt::format("Number of words:  {}", words));
  if (hyperparameters_.is_supervised()) log_.plain(fmt::format("Number of labels:  {}", labels));
}

void Report::validation_loading(const std::string& path) {
  log_.plain(fmt::format("Loading validation data from {}", path));
}

void Report::validation_loaded() { log_.plain("Loaded validation data."); }

void Report::progress(double learning_rate, double done, double words_per_second) {
  const std::string line = fmt::format("Alpha: {:.4f}  Progress: {:.2f}%  Million Words/sec: {:.2f}", learning_rate,
                                       100 * std::clamp(done, 0.0, 1.0), words_per_second / 1e6);
  log_.plain(hyperparameters_.is_supervised() ? "##### " + line + " #####" : line);
}

void Report::epoch_ended(std::int64_t epoch) { log_.plain(fmt::format("-------------- End of epoch: {}", epoch)); }

void Report::validation_accuracy(double accuracy, std::int64_t bad_epochs, int threads) {
  log_.plain(fmt::format("Using {} threads for prediction!", threads));
  log_.plain(fmt::format("Validation accuracy: {:.6g}", accuracy));
  log_.plain(bad_epochs == 0 ? std::string(kImproved)
                             : fmt::format("Validation accuracy has not improved for last {} epochs.", bad_epochs));
}

void Report::finished(double words_per_second, double seconds) {
  log_.plain(hyperparameters_.is_supervised() ? "Training finished." : "Training finished!");
  log_.plain(fmt::format("Average throughput in Million words/sec: {:.2f}", words_per_second / 1e6));
  log_.plain(fmt::format("Total training time in seconds: {:.2f}", seconds));
}

void Report::accuracy(const std::string& set, double accuracy, std::int64_t examples) {
  log_.plain("");
  log_.plain(fmt::format("#{}_accuracy: {:.4g}", set, accuracy));
  log_.plain(fmt::format("Number of {} examples: {}", set, examples));
  if (set != "train" || labels_ < 2) return;
  const double chance = 1.0 / static_cast<double>(labels_);
  if (accuracy < chance + kHardlyLearned * (1 - chance))
    log_.warn(
        "The classifier is hardly better than chance on its own training data. On few lines the defaults "
        "(learning_rate={}, epochs={}) are too small: try learning_rate 0.1 to 1, more epochs, or a lower min_count.",
        hyperparameters_.learning_rate, hyperparameters_.epochs);
}

}  // namespace clary::blazingtext
