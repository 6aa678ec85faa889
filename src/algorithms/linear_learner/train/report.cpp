// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace clary::linear_learner {
namespace {

using shell::python_float;

constexpr std::size_t kShownNumbers = 20;  // of a vector in the log; a line of a million numbers helps nobody

std::string shortened(std::span<const float> numbers) {
  std::string out = "[";
  for (std::size_t i = 0; i < std::min(numbers.size(), kShownNumbers); ++i)
    out += fmt::format("{}{:.9g}", i > 0 ? ", " : "", numbers[i]);
  if (numbers.size() > kShownNumbers) out += fmt::format(", ... {} more", numbers.size() - kShownNumbers);
  return out + "]";
}

std::string or_none(std::optional<double> value) { return value ? python_float(*value) : "None"; }

double milliseconds(std::chrono::system_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

std::string criterion_name(const Hyperparameters& hp) {
  const Criterion criterion = hp.binary_classifier_model_selection_criteria;
  if (!hp.is_binary() || criterion == Criterion::kLossFunction) return objective_name(hp.resolved_loss());
  return criterion == Criterion::kCrossEntropyLoss ? objective_name(Loss::kLogistic)
                                                   : fmt::format("sampled_{}", name_of(criterion));
}

std::string settings_text(const CandidateSettings& s) {
  std::string out = fmt::format(R"({{"optimizer": "{}", "learning_rate": {}, "wd": {}, "l1": {})", name_of(s.optimizer),
                                python_float(s.learning_rate), python_float(s.wd), python_float(s.l1));
  if (s.optimizer == Optimizer::kSgd) out += fmt::format(R"(, "momentum": {})", python_float(s.momentum));
  if (s.optimizer == Optimizer::kAdam)
    out += fmt::format(R"(, "beta_1": {}, "beta_2": {})", python_float(s.beta_1), python_float(s.beta_2));
  if (s.use_lr_scheduler)
    out +=
        fmt::format(R"(, "lr_scheduler_step": {}, "lr_scheduler_factor": {}, "lr_scheduler_minimum_lr": {})",
                    s.lr_scheduler_step, python_float(s.lr_scheduler_factor), python_float(s.lr_scheduler_minimum_lr));
  if (s.positive_weight != 1)
    out += fmt::format(R"(, "positive_example_weight_mult": {})", python_float(s.positive_weight));
  return out + "}";
}

// Lines and names are those of SageMaker's container, which dashboards and metric regexes expect.
Report::Report(shell::TrainLog& log, const Hyperparameters& hp, const hyper::TextMap& given, int hosts)
    : log_(log), hp_(hp), objective_(objective_name(hp.resolved_loss())), start_(Clock::now()), epoch_start_(start_) {
  for (const std::string& remark : remarks(hp, given)) log_.warn("{}", remark);
  log_.info("Using default worker.");
  log_.info("Create Store: {}", hosts > 1 ? "dist_sync" : "local");
  log_.info("Number of GPUs being used: 0");
}

void Report::scaler(std::span<const float> mean, std::span<const float> deviation, std::optional<double> label_mean,
                    std::optional<double> label_deviation) {
  epoch_start_ = Clock::now();  // what comes next is the first epoch
  log_.info(
      "Scaling model computed with parameters: {{'stdev_weight': {}, 'stdev_label': {}, 'mean_label': {}, "
      "'mean_weight': {}}}",
      shortened(deviation), or_none(label_deviation), or_none(label_mean), shortened(mean));
}

void Report::quality(const std::string& channel, const std::string& name, const std::string& kind, double value,
                     std::optional<std::int64_t> epoch) {
  log_.info("#quality_metric: host={}{}, {} {} <{}>={:.12g}", log_.host(),
            epoch ? fmt::format(", epoch={}", *epoch) : "", channel, name, kind, value);
}

void Report::per_candidate(const EpochResult& result) {
  shell::MetricsRecord record{.start = epoch_start_, .end = Clock::now()};
  record.epoch = result.epoch;
  for (std::size_t model = 0; model < result.train_loss.size(); ++model) {
    record.model = static_cast<std::int64_t>(model);
    record.values = {{"train_" + objective_, result.train_loss[model]}};
    log_.metrics(record);
  }
  for (std::size_t model = 0; model < result.validation_loss.size(); ++model) {
    record.model = static_cast<std::int64_t>(model);
    record.values = {{"validation_" + objective_, result.validation_loss[model]}};
    log_.metrics(record);
  }
}

// The counters of MXNet's data iterators as the container logs them.
void Report::pass(Passes& passes, const std::string& meta, std::int64_t rows, std::int64_t batches,
                  std::int64_t epoch) {
  ++passes.resets;
  passes.rows += rows, passes.batches += batches;
  passes.most_rows = std::max(passes.most_rows, rows), passes.most_batches = std::max(passes.most_batches, batches);
  shell::MetricsRecord record{.start = epoch_start_, .end = Clock::now()};
  record.epoch = epoch, record.meta = meta;
  const auto add = [&record](const char* name, std::int64_t count) {
    record.values.emplace_back(name, static_cast<double>(count));
  };
  add("Max Batches Seen Between Resets", passes.most_batches);
  add("Max Records Seen Between Resets", passes.most_rows);
  add("Number of Batches Since Last Reset", batches);
  add("Number of Records Since Last Reset", rows);
  add("Reset Count", passes.resets);
  add("Total Batches Seen", passes.batches);
  add("Total Records Seen", passes.rows);
  log_.metrics(record);
}

void Report::epoch(const EpochResult& result) {
  const auto now = Clock::now();
  if (!first_epoch_) first_epoch_ = epoch_start_;
  per_candidate(result);
  if (!result.train_loss.empty()) quality("train", objective_, "loss", result.train_loss[0], result.epoch);
  if (!result.validation_loss.empty())
    quality("validation", objective_, "loss", result.validation_loss[0], result.epoch);
  log_.info("#early_stopping_criteria_metric: host={}, epoch={}, criteria={}, value={:.12g}", log_.host(), result.epoch,
            criterion_name(hp_), result.criterion_value);
  if (result.improved) {
    log_.info("Epoch {}: Loss improved. Updating best model", result.epoch);
    log_.info("Saving model for epoch: {}", result.epoch);
  } else {
    // The published lines count from 0 at the first epoch without improvement.
    log_.info("Epoch {}: Loss has not improved for {} epochs.", result.epoch,
              std::max<std::int64_t>(result.epochs_without_improvement - 1, 0));
  }
  log_.info("#progress_metric: host={}, completed {} % of epochs", log_.host(), 100 * (result.epoch + 1) / hp_.epochs);
  pass(train_, "training_data_iter", result.rows, result.batches, result.epoch);
  if (!result.validation_loss.empty())
    pass(validation_, "validation_data_iter", result.validation_rows, result.validation_batches, result.epoch);
  if (result.train_seconds > 0) log_.throughput(static_cast<double>(result.rows) / result.train_seconds);
  ++epochs_;
  update_seconds_ += result.train_seconds;
  epoch_start_ = now;
  last_epoch_ = now;
}

void Report::checkpoint(const std::filesystem::path& file) { log_.info("Saved checkpoint to \"{}\"", file.string()); }

void Report::final_metrics(const std::string& channel, const std::vector<NamedMetric>& metrics) {
  if (channel != "train")
    for (const NamedMetric& metric : metrics) log_.score(channel, metric.name, metric.value);
  for (const NamedMetric& metric : metrics) quality(channel, metric.name, metric.kind, metric.value, std::nullopt);
}

void Report::best(const TrainingRecord& record) {
  if (record.candidates.size() > 1)
    for (const CandidateOutcome& candidate : record.candidates)
      log_.info("Candidate {}: best epoch {}, {} {:.6g}, train loss {:.6g}, validation loss {}: {}",
                candidate.settings.id, candidate.best_epoch, record.criterion, candidate.value, candidate.train_loss,
                candidate.validation_loss ? fmt::format("{:.6g}", *candidate.validation_loss) : "None",
                settings_text(candidate.settings));
  for (const CandidateOutcome& candidate : record.candidates)
    if (candidate.settings.id == record.best_candidate)
      log_.info("Best model found for hyperparameters: {}", settings_text(candidate.settings));
}

void Report::target(double value) {
  const Criterion criterion = hp_.binary_classifier_model_selection_criteria;
  const bool recall = criterion == Criterion::kPrecisionAtTargetRecall;
  if (!hp_.is_binary() || value >= 0 || (!recall && criterion != Criterion::kRecallAtTargetPrecision)) return;
  log_.warn("No threshold reaches {} {}: the one with the highest {} is kept.",
            recall ? "target_recall" : "target_precision", recall ? hp_.target_recall : hp_.target_precision,
            recall ? "recall" : "precision");
}

void Report::no_test_data() { log_.info("Test data is not provided."); }

void Report::finished() {
  const auto now = Clock::now();
  shell::MetricsRecord record{.start = start_, .end = now};
  record.values = {{"initialize.time", milliseconds(first_epoch_.value_or(now) - start_)},
                   {"epochs", static_cast<double>(epochs_)},
                   {"update.time", update_seconds_ * 1000},
                   {"finalize.time", milliseconds(now - last_epoch_.value_or(now))},
                   {"setuptime", milliseconds(first_epoch_.value_or(now) - start_)},
                   {"totaltime", milliseconds(now - start_)}};
  log_.metrics(record);
}

}  // namespace clary::linear_learner
