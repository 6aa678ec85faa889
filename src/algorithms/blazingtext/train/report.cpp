// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace clary::blazingtext {
namespace {

// Thresholds of warnings that AWS's program does not give:
constexpr double kHardlyLearned = 0.1;  // this share of the way from always guessing the same to perfect
constexpr double kThinned = 0.1;        // share of the text
constexpr double kRarelySeen = 10;      // times a word
/// As printed in the logs that users have: a new best is worth storing.
constexpr const char* kImproved = "Validation accuracy improved! Storing best weights...";

}  // namespace

void Report::running(const collective::Hosts& hosts, bool on_gpu) {
  const auto mode = name_of(hp_.mode);
  if (hosts.size() == 1)
    return log_.info("Running single machine {} BlazingText training using {} mode.", on_gpu ? "GPU" : "CPU", mode);
  log_.info("Running distributed CPU BlazingText training using {} on {} hosts.", mode, hosts.size());
  log_.info("Number of hosts: {}, host: {}.", hosts.size(), hosts.current);
}

void Report::gpu_found(const cuda::Facts& facts) {
  log_.info("Using GPU 0 of {}: {}, {} MB free", facts.devices, facts.name, facts.free_bytes >> 20);
}

void Report::no_gpu(const std::string& instance_type, const std::string& why) {
  log_.warn("Instance type {} has GPUs, but here none can be used: {}. Training runs on the CPUs.", instance_type, why);
}

void Report::gpu_too_small(std::size_t bytes, const cuda::Facts& facts) {
  log_.warn("The matrices take {} MB, the GPU has {} MB free. Training runs on the CPUs.", bytes >> 20,
            facts.free_bytes >> 20);
}

void Report::processing(const std::string& path, std::uint64_t bytes) {
  log_.plain(fmt::format("Processing {} . File size: {} MB", path, bytes >> 20));
}

void Report::words_read(std::int64_t tokens) { log_.plain(fmt::format("Read {}M words", tokens / 1'000'000)); }

void Report::vocabulary(std::int64_t words, std::int64_t labels, std::int64_t largest_label) {
  labels_ = labels, largest_label_ = largest_label;
  log_.plain(fmt::format("Number of words:  {}", words));
  if (hp_.is_supervised()) log_.plain(fmt::format("Number of labels:  {}", labels));
}

void Report::pretrained_words(const std::string& file, std::int64_t added) {
  log_.info("Pretrained vectors from {}: {} of its words are not in the text and join the vocabulary.", file, added);
}

void Report::pretrained_vectors(std::int64_t found) { log_.info("{} words begin at pretrained vectors.", found); }

void Report::buckets(std::int64_t used, std::int64_t all) {
  log_.plain(fmt::format("Number of buckets used:  {} of {}", used, all));
}

void Report::validation_loading(const std::string& path) {
  log_.plain(fmt::format("Loading validation data from {}", path));
}

void Report::validation_loaded() { log_.plain("Loaded validation data."); }

void Report::progress(double learning_rate, double done, double words_per_second) {
  const std::string line = fmt::format("Alpha: {:.4f}  Progress: {:.2f}%  Million Words/sec: {:.2f}", learning_rate,
                                       100 * std::clamp(done, 0.0, 1.0), words_per_second / 1e6);
  log_.plain(hp_.is_supervised() ? "##### " + line + " #####" : line);
}

void Report::epoch_ended(std::int64_t epoch) { log_.plain(fmt::format("-------------- End of epoch: {}", epoch)); }

void Report::validation_accuracy(double accuracy, std::int64_t bad_epochs, int threads) {
  log_.plain(fmt::format("Using {} threads for prediction!", threads));
  log_.plain(fmt::format("Validation accuracy: {:.6g}", accuracy));
  log_.plain(bad_epochs == 0 ? std::string(kImproved)
                             : fmt::format("Validation accuracy has not improved for last {} epochs.", bad_epochs));
}

void Report::finished(double words_per_second, double seconds) {
  log_.plain(hp_.is_supervised() ? "Training finished." : "Training finished!");
  log_.plain(fmt::format("Average throughput in Million words/sec: {:.2f}", words_per_second / 1e6));
  log_.plain(fmt::format("Total training time in seconds: {:.2f}", seconds));
}

// The published lines, which jobs' metric definitions match.
void Report::accuracy(const std::string& set, double accuracy, std::int64_t examples) {
  last_accuracy_ = accuracy;
  log_.plain("");
  log_.plain(fmt::format("#{}_accuracy: {:.4g}", set, accuracy));
  log_.plain(fmt::format("Number of {} examples: {}", set, examples));
  if (set != "train" || labels_ < 2) return;
  // The accuracy of always answering the most frequent label.
  const double guess =
      std::clamp(static_cast<double>(largest_label_) / static_cast<double>(std::max(examples, labels_)),
                 1.0 / static_cast<double>(labels_), 1.0);
  if (accuracy < guess + kHardlyLearned * (1 - guess))
    log_.warn(
        "The classifier is hardly better on its own training data than always answering the most frequent label "
        "({:.4g}). "
        "On few lines the defaults are too small: try learning_rate 0.1 to 1 (now {}), more epochs (now {}), or a "
        "lower "
        "min_count (now {}).",
        guess, hp_.learning_rate, hp_.epochs, hp_.min_count);
}

void Report::thinning(double known, double kept, std::int64_t words) {
  const double seen = kept * static_cast<double>(hp_.epochs) / static_cast<double>(std::max<std::int64_t>(words, 1));
  if (kept < kThinned * known)
    log_.warn(
        "Thinning of frequent words leaves {:.2g}% of the text, so the vectors hardly learn. In a text of few "
        "different "
        "words each is frequent: raise sampling_threshold (now {}), to 0.01 for example.",
        100 * kept / known, hp_.sampling_threshold);
  else if (seen < kRarelySeen)
    log_.warn(
        "The text is small for its {} words: in {} epochs a word is learned {:.2g} times on average, too few to move "
        "its "
        "vector far. Give more text, more epochs or a higher min_count (now {}).",
        words, hp_.epochs, seen, hp_.min_count);
}

}  // namespace clary::blazingtext
