// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/train/trainer.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "algorithms/xgboost/data/loader.h"
#include "algorithms/xgboost/data/stacking.h"
#include "algorithms/xgboost/train/boosting.h"
#include "algorithms/xgboost/train/cross_validation.h"
#include "algorithms/xgboost/train/distributed.h"
#include "base/error.h"

namespace clary::xgboost {
namespace {

/// The library's own lines go to the job's log while this lives.
class LibraryLines {
 public:
  // The callback is global to the thread: removed before `report` goes.
  explicit LibraryLines(Report& report) {
    on_log([&report](std::string_view line) { report.plain(line); });
    set_verbosity(1);  // the library's default; a job's own comes with its parameters
  }
  ~LibraryLines() { on_log({}); }
  LibraryLines(const LibraryLines&) = delete;
  LibraryLines& operator=(const LibraryLines&) = delete;
};

void log_opening(const Hyperparameters& hp, Report& report) {
  report.info("Imported framework sagemaker_xgboost_container.training");
  for (const auto& [name, value] : hp.library) {
    if (name != "objective") continue;
    report.info(fmt::format("Failed to parse hyperparameter objective value {} to Json.", value));
    report.plain("Returning the value itself");
  }
  report.info("No GPUs detected (normal if no gpus installed)");
  report.info("Running XGBoost Sagemaker in algorithm mode");
  for (const std::string& warning : hp.warnings) report.warn(warning);
}

void log_shape(const Hyperparameters& hp, const LoadedData& data, const Membership& membership, Report& report) {
  if (report.tag() >= Tag{1, 5}) report.info("Determined 0 GPU(s) available on the instance.");
  if (membership.communicator == nullptr)
    report.info("Single node training.");
  else
    report.info(fmt::format("Distributed node training with {} hosts, this is rank {}.",
                            membership.communicator->world_size(), membership.communicator->rank()));
  report.info(fmt::format("Train matrix has {} rows and {} columns", data.train->rows, data.train->columns));
  if (data.validation) report.info(fmt::format("Validation matrix has {} rows", data.validation->rows));
  if (!hp.tuning_metric.empty())
    report.info(fmt::format("Setting up HPO optimized metric to be : {}", hp.tuning_metric));
  if (hp.early_stopping_rounds && !data.validation && !hp.kfold)
    report.warn("early_stopping_rounds has no effect without a validation channel.");
}

/// Hosts that saw fewer columns than others (libsvm) get the missing ones.
void widen(std::optional<LoadedChannel>& channel, std::int64_t columns, int threads) {
  if (!channel || channel->matrix.columns() == columns) return;
  const Matrix* const parts[] = {&channel->matrix};
  channel->matrix = stacked(parts, columns, threads);
  channel->columns = columns;
}

/// AFT wants bounds, which no channel has: the label is both.
/// Both bounds equal to the label: uncensored.
void set_bounds(const Hyperparameters& hp, std::optional<LoadedChannel>& channel) {
  if (!channel || hp.objective != "survival:aft") return;
  const auto labels = channel->matrix.labels();
  channel->matrix.set_floats("label_lower_bound", labels);
  channel->matrix.set_floats("label_upper_bound", labels);
}

/// boost() on several hosts. The library knows a lost host only by these words.
Boosted boost_together(const Boosting& job, const Matrix& train, const Matrix* validation) try {
  return boost(job, train, validation);
} catch (const Error& error) {
  const std::string_view words = error.what();
  if (words.find("Allreduce failed") == std::string_view::npos &&
      words.find("Broadcast failed") == std::string_view::npos)
    throw;
  throw Error(Kind::kUnavailable, fmt::format("another host of the job was lost; its log says why ({})", words));
}

Share share_of(const LoadedData& data) {
  Share out;
  if (data.train) out.train_rows = data.train->rows, out.columns = data.train->columns;
  if (data.validation) {
    out.validation_rows = data.validation->rows;
    out.columns = std::max(out.columns, data.validation->columns);
  }
  return out;
}

}  // namespace

// Every host runs this; hosts without rows return after join(), all but the master after the training, with an empty
// model that is not saved.
Model train(const Hyperparameters& hp, shell::TrainContext& context) {
  Report report(context.log(), tag_from_environment());
  const LibraryLines lines(report);
  log_opening(hp, report);

  // Order: read, count hosts and columns, widen, form the group. Matrices must exist before the group, because
  // building one communicates once it exists (see RowStore::converted).
  const int threads = hp.nthread.value_or(context.threads());
  LoadedData data = load_data(context, {.csv_weights = hp.csv_weights,
                                        .threads = threads,
                                        .label_rule = label_rule_of(hp.objective, hp.num_class.value_or(0))});
  const Census census = take_census(context, share_of(data));
  widen(data.train, census.columns, threads);
  widen(data.validation, census.columns, threads);
  const Membership membership = join(context, census, report);
  if (!membership.trains) return {};
  set_bounds(hp, data.train);
  set_bounds(hp, data.validation);
  log_shape(hp, data, membership, report);

  Boosting job{hp, context, report, membership.communicator.get(), context.checkpoint_dir(), {}};
  if (hp.save_model_on_termination) job.model_file = context.model_dir() / kModelFileName;
  const Matrix* validation = data.validation ? &data.validation->matrix : nullptr;
  std::vector<Booster> boosters;
  if (hp.kfold) {
    if (job.communicator != nullptr) throw Error(Kind::kInvalid, "_kfold needs one instance");
    boosters = cross_validate(job, data.train->matrix, validation);
  } else {
    Boosted boosted = boost_together(job, data.train->matrix, validation);
    if (!job.is_master()) return {};
    boosters.push_back(std::move(boosted.booster));
  }
  return Model(std::move(boosters));
}

}  // namespace clary::xgboost
