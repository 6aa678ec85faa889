// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "algorithms/linear_learner/train/checkpoint.h"
#include "learning/numeric/index.h"
#include "learning/numeric/memory.h"
#include "learning/optim/early_stopping.h"

namespace clary::linear_learner {
namespace {

using Clock = std::chrono::steady_clock;

using numeric::at;

/// Part of the free memory that weights, moments, averages and gradients may take.
constexpr std::int64_t kWeightsPart = 3;

}  // namespace

/// Candidates that train together, and how far they are.
/// Candidates of a slice have their weights side by side in memory, so that one pass over the rows trains all of them.
struct Search::Slice {
  std::size_t first;
  Lanes lanes;
  Objective objective;
  Learner learner;
  optim::EarlyStopping stopping;
  std::int64_t epoch = 0;  // the next one
  double train_seconds = 0;
  std::int64_t batches = 0;

  Slice(const Search& s, std::size_t first_candidate, std::size_t count, const LossWeights& weights)
      : first(first_candidate),
        lanes(Lanes::of(static_cast<std::int64_t>(count), s.hp_.outputs())),
        objective(lanes, s.data_.features, loss_rule(s.hp_), weights, s.team_),
        learner(objective, initial_parameters(lanes, s.data_.features, s.hp_, s.context_.seed() + first),
                {s.candidates_.begin() + static_cast<std::ptrdiff_t>(first),
                 s.candidates_.begin() + static_cast<std::ptrdiff_t>(first + count)},
                s.hp_, s.team_, s.context_.collective()),
        stopping(s.hp_.early_stopping_patience, optim::EarlyStopping::Better::kHigher, s.hp_.early_stopping_tolerance) {
    if (s.data_.sparse) objective.set_shift(s.data_.scaler);
  }
};

Search::Search(const Hyperparameters& hp, shell::TrainContext& context, const TrainingData& data,
               std::vector<CandidateSettings> candidates, std::vector<float> class_weights, Team& team, Judge& judge,
               Report& report)
    : hp_(hp),
      context_(context),
      data_(data),
      candidates_(std::move(candidates)),
      class_weights_(std::move(class_weights)),
      team_(team),
      judge_(judge),
      report_(report),
      together_(at(slice_models())),
      checkpoints_(context, "linear_learner", checkpoint_identity(hp, data, candidates_.size(), together_)) {
  for (const CandidateSettings& c : candidates_) outcomes_.push_back({.settings = c});
}

/// How many candidates fit into memory side by side; at least one, the same on all hosts.
/// Halved until it fits; the host with the least memory decides.
std::int64_t Search::slice_models() const {
  const auto n = static_cast<std::int64_t>(candidates_.size());
  const double copies = 5 + team_.size();  // weights, two moments, average, start, and a gradient a thread
  const auto fits = [&](std::int64_t models) {
    const Lanes lanes = Lanes::of(models, hp_.outputs());
    return 4.0 * copies * static_cast<double>(lanes.weight_size(data_.features)) <=
           static_cast<double>(numeric::available_memory() / kWeightsPart / context_.hosts().size());
  };
  std::int64_t models = n;
  while (models > 1 && !fits(models)) models = (models + 1) / 2;
  double least = -static_cast<double>(models);
  context_.collective().all_reduce_max(std::span(&least, 1));
  return static_cast<std::int64_t>(-least);
}

void Search::run() {
  if (together_ < candidates_.size()) {
    context_.log().info("{} candidates train in slices of {}: together their weights would not fit into memory.",
                        candidates_.size(), together_);
  }
  // Indexes of the columns of each batch are made once for all epochs.
  if (data_.sparse && !data_.streamed && context_.hosts().size() == 1) {
    const std::int64_t batches = data_.batches();
    indices_.resize(at(batches));
    const std::vector<std::int32_t> always = data_.scaler.shifted();
    const bool single = candidates_.size() == 1 && hp_.outputs() == 1;
    team_.run([&](int t) {
      std::vector<std::int64_t> scratch;
      for (std::int64_t b = t; b < batches; b += team_.size()) {
        const std::int64_t begin = b * data_.batch_rows, end = std::min(begin + data_.batch_rows, data_.train.rows);
        if (single) {
          indices_[at(b)].columns = list_columns(data_.train, begin, end, always);
        } else {
          indices_[at(b)] = index_columns(data_.train, begin, end, always, scratch);
        }
      }
    });
  }
  checkpoint_ = checkpoints_.load();
  for (std::size_t first = 0; first < candidates_.size() && !stopped_; first += together_) {
    run_slice(first, std::min(together_, candidates_.size() - first));
  }
}

// On all hosts alike: epochs, stops and early stopping follow from reduced numbers.
void Search::run_slice(std::size_t first, std::size_t count) {
  LossWeights weights{class_weights_, {}};
  for (std::size_t i = first; i < first + count; ++i) {
    weights.of_positive.push_back(static_cast<float>(candidates_[i].positive_weight));
  }
  Slice slice(*this, first, count, weights);
  if (!resume(slice)) return;
  while (slice.epoch < hp_.epochs && !slice.stopping.stops() && !stopped_) {
    const std::int64_t epoch = slice.epoch++;
    train_epoch(slice, epoch);
    candidate_passes_ += static_cast<std::int64_t>(count);
    // Without any judged model yet the one of this moment is judged, so that there is something to save.
    if (stopped_ && best_) break;
    judge_epoch(slice, epoch);
    if (!stopped_) save_checkpoint(slice, epoch);
  }
}

void Search::train_epoch(Slice& slice, std::int64_t epoch) {
  const auto start = Clock::now();
  slice.learner.begin_epoch();
  slice.batches = 0;
  if (data_.streamed) {
    train_stream(slice);
  } else {
    train_rows_in_memory(slice, epoch);
  }
  slice.train_seconds = std::chrono::duration<double>(Clock::now() - start).count();
}

/// The same mini-batches in another order each epoch. Weights are averaged over the second half of the pass: what is
/// judged and kept is that average, which is far less noisy than the last iterate.
void Search::train_rows_in_memory(Slice& slice, std::int64_t epoch) {
  const std::int64_t batches = data_.batches();
  std::vector<std::int64_t> order(at(batches));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  // The order depends on seed and epoch alone, so that a resumed training goes through the same batches.
  std::mt19937_64 random(context_.seed() ^ (0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(epoch + 1)));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  for (std::int64_t i = 0; i < batches; ++i) {
    const std::int64_t b = order[at(i)];
    const std::int64_t begin = std::min(b * data_.batch_rows, data_.train.rows);
    const std::int64_t end = std::min(begin + data_.batch_rows, data_.train.rows);
    if (i == batches / 2 && batches >= 4 && indices_.empty()) slice.learner.begin_average();
    slice.learner.step(data_.train, begin, end, indices_.empty() ? nullptr : &indices_[at(b)],
                       context_.stop_requested());
    ++slice.batches;
    if (slice.learner.stopped()) {
      stopped_ = true;
      return;
    }
  }
}

void Search::train_stream(Slice& slice) {
  RowStream stream(context_, "train", hp_, data_.scaler, data_.sparse);
  const bool has_rows = data_.train.rows > 0;
  if (has_rows) stream.begin_epoch();
  Rows none;
  none.sparse = data_.sparse, none.features = data_.features;
  for (;;) {
    // A host whose rows are used up goes on with empty batches until all hosts are: the reductions need everyone.
    std::optional<Rows> rows;
    if (has_rows) rows = stream.next(data_.batch_rows, team_);
    const Rows& batch = rows ? *rows : none;
    if (slice.learner.step(batch, 0, batch.rows, nullptr, context_.stop_requested()) == 0) return;
    ++slice.batches;
    if (slice.learner.stopped()) {
      stopped_ = true;
      return;
    }
  }
}

void Search::judge_epoch(Slice& slice, std::int64_t epoch) {
  const Parameters& p = slice.learner.averaged();
  const Judgement judgement = judge_.judge(slice.objective, p);
  const std::size_t best = judgement.best();
  keep_best(slice, p, judgement, epoch);
  EpochResult result;
  result.epoch = epoch;
  const auto seen = static_cast<double>(std::max<std::int64_t>(1, slice.learner.rows_seen()));
  for (const double loss : slice.learner.loss_sums()) result.train_loss.push_back(loss / seen);
  keep_outcomes(slice, judgement, epoch);
  for (std::size_t m = 0; m < judgement.value.size(); ++m) {
    CandidateOutcome& o = outcomes_[slice.first + m];
    if (o.best_epoch == epoch) o.train_loss = result.train_loss[m];
  }
  // NaN counts as larger than every number.
  const double loss = *std::min_element(judgement.loss.begin(), judgement.loss.end(),
                                        [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; });
  // Without a validation channel it is the training loss that must improve.
  result.improved = slice.stopping.add(data_.judging.is_sample ? -loss : judgement.value[best]);
  result.epochs_without_improvement = slice.stopping.idle();
  result.criterion_value = judge_.decides_by_loss() ? loss : judge_.shown(judgement.value[best]);
  if (slice.first > 0) return;  // later slices are silent: the lines are about candidate 0 and the first pass
  result.rows = std::min(data_.streamed ? slice.learner.rows_seen() : data_.train.rows, slice.learner.rows_seen());
  result.batches = slice.batches;
  result.train_seconds = slice.train_seconds;
  if (!data_.judging.is_sample) {
    result.validation_loss = judgement.loss;
    result.validation_rows = data_.judging.rows.rows;
    result.validation_batches = (result.validation_rows + hp_.mini_batch_size - 1) / hp_.mini_batch_size;
  }
  report_.epoch(result);
}

void Search::keep_outcomes(const Slice& slice, const Judgement& judgement, std::int64_t epoch) {
  for (std::size_t m = 0; m < judgement.value.size(); ++m) {
    CandidateOutcome& o = outcomes_[slice.first + m];
    const bool first = epoch == 0;
    if (!first && !(judgement.value[m] > o.value)) continue;
    o.best_epoch = epoch;
    o.value = judgement.value[m];
    o.threshold = judgement.threshold[m];
    if (!data_.judging.is_sample) o.validation_loss = judgement.loss[m];
  }
}

// The best of all epochs, candidates and slices so far. A value that is not a number is always replaced.
void Search::keep_best(const Slice& slice, const Parameters& p, const Judgement& judgement, std::int64_t epoch) {
  const std::size_t m = judgement.best();
  const double value = judgement.value[m], loss = judgement.loss[m];
  const bool better =
      !best_ || std::isnan(best_->value) || value > best_->value || (value == best_->value && loss < best_->loss);
  if (!better) return;
  Best b;
  b.candidate = slice.first + m, b.epoch = epoch, b.value = value, b.loss = loss;
  b.threshold = judgement.threshold[m];
  take_model(p, slice.lanes, data_.features, static_cast<std::int64_t>(m), b.solution.weight, b.solution.bias);
  best_ = std::move(b);
}

// After the epoch was judged: outcomes and the best model belong to the same moment as the weights.
void Search::save_checkpoint(const Slice& slice, std::int64_t epoch) {
  if (!checkpoints_.enabled()) return;
  Checkpoint c;
  c.slice = static_cast<std::int64_t>(slice.first), c.epoch = epoch + 1;
  c.parameters = slice.learner.parameters(), c.state = slice.learner.state();
  c.stopping_best = slice.stopping.best(), c.stopping_idle = slice.stopping.idle();
  c.outcomes = outcomes_, c.best = *best_;
  checkpoints_.save(to_shell(c));
  if (slice.first == 0) report_.checkpoint(checkpoints_.file());
}

/// Goes on where a checkpoint left. @return false when this slice was finished then
bool Search::resume(Slice& slice) {
  if (!checkpoint_) return true;
  Checkpoint c = from_shell(*checkpoint_, candidates_.size(), data_.features, hp_.outputs());
  const auto first = static_cast<std::int64_t>(slice.first);
  // The outcomes of earlier slices are in the checkpoint too.
  if (c.slice >= first) {
    outcomes_ = std::move(c.outcomes), best_ = std::move(c.best);
    for (std::size_t i = 0; i < outcomes_.size(); ++i) outcomes_[i].settings = candidates_[i];
  }
  if (c.slice > first) return false;
  if (c.slice == first) {
    context_.log().info("Resuming after epoch {} from the checkpoint", c.epoch);
    take_slice(*checkpoint_, slice.lanes, data_.features, c);
    slice.learner.restore(std::move(c.parameters), std::move(c.state));
    slice.stopping.restore(c.stopping_best, c.stopping_idle);
    slice.epoch = c.epoch;
  }
  checkpoint_.reset();
  return true;
}

}  // namespace clary::linear_learner
