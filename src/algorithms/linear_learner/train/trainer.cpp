// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "algorithms/linear_learner/train/candidates.h"
#include "algorithms/linear_learner/train/checkpoint.h"
#include "algorithms/linear_learner/train/finish.h"
#include "algorithms/linear_learner/train/report.h"
#include "algorithms/linear_learner/train/search.h"
#include "algorithms/linear_learner/train/training_data.h"
#include "learning/numeric/team.h"

namespace clary::linear_learner {
namespace {

void describe_data(const Hyperparameters& hp, shell::TrainContext& context, const TrainingData& data,
                   const Scaler& scaler, Report& report, int threads) {
  shell::TrainLog& log = context.log();
  const auto label = [&](double x) { return hp.is_classifier() ? std::nullopt : std::optional<double>(x); };
  log.info("Threads: {}, vector instructions: {}", threads, numeric::instruction_set());
  log.info("Training rows: {} of {} features, {}{}", data.rows_everywhere, data.features,
           data.sparse ? "sparse" : "dense",
           data.streamed ? "; more than fit into memory: they are read again every epoch" : "");
  if (data.batch_rows < hp.mini_batch_size) {
    log.info("mini_batch_size {}: batches are cut to {} rows, so that an epoch has at least about {} updates.",
             hp.mini_batch_size, data.batch_rows, kUpdatesPerEpoch);
  }
  report.scaler(scaler.mean, scaler.deviation, label(scaler.label_mean), label(scaler.label_deviation));
}

}  // namespace

Model train(const Hyperparameters& hp, shell::TrainContext& context) {
  Report report(context.log(), hp, context.hyperparameters(), context.hosts().size());
  Team team(context.threads(), context.hosts().rank(), context.hosts().size());
  TrainingData data = load_training_data(hp, context, team);
  describe_data(hp, context, data, data.scaler, report, team.size());
  const std::vector<float> class_weights =
      hp.is_multiclass() && hp.balance_multiclass_weights ? data.balanced_class_weights() : std::vector<float>();
  Judge judge(hp, data.scaler, data.judging, team, context.collective());
  Search search(hp, context, data, candidate_grid(hp, data.batches() * hp.epochs, data.balanced_weight()),
                class_weights, team, judge, report);
  search.run();
  return finish(hp, context, data, search, class_weights, team, judge, report);
}

}  // namespace clary::linear_learner
