// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <utility>

#include "algorithms/seq2seq/data/batch.h"
#include "algorithms/seq2seq/data/buckets.h"
#include "algorithms/seq2seq/data/epoch.h"
#include "algorithms/seq2seq/network/network.h"
#include "algorithms/seq2seq/seq2seq.h"
#include "algorithms/seq2seq/train/bleu_sample.h"
#include "algorithms/seq2seq/train/checkpoint.h"
#include "algorithms/seq2seq/train/memory.h"
#include "algorithms/seq2seq/train/optimizer.h"
#include "algorithms/seq2seq/train/report.h"
#include "algorithms/seq2seq/train/selection.h"
#include "algorithms/seq2seq/train/start.h"
#include "base/error.h"
#include "learning/numeric/index.h"
#include "learning/numeric/memory.h"
#include "learning/numeric/philox.h"
#include "learning/numeric/team.h"
#include "learning/optim/schedule.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

/// Of the 120 seconds between SIGTERM and SIGKILL: what scoring may take, so that writing the model has the rest.
constexpr std::chrono::seconds kStopBudget{50};
constexpr std::uint64_t kDropoutStream = std::uint64_t{1} << 62;  // no tensor's and no epoch's

/// Flags that a stopped job has little time, in which scores are finished that can be. Any thread may ask.
class StopClock {
 public:
  explicit StopClock(const shell::TrainContext& context) : context_(context) {}

  /// From the first call after the platform asked to stop until kStopBudget later: false, then true.
  bool has_run_out() {
    if (!context_.stop_requested()) return false;
    const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
    std::int64_t began = 0;
    if (began_.compare_exchange_strong(began, now)) began = now;
    return std::chrono::steady_clock::duration(now - began) > kStopBudget;
  }

 private:
  const shell::TrainContext& context_;
  std::atomic<std::int64_t> began_{0};  // ticks of the steady clock; 0: not asked to stop
};

BatchPlan plan_of(const Hyperparameters& hp, const Pairs& pairs, double ratio) {
  const std::int64_t source = std::max<std::int64_t>(hp.max_seq_len_source, 2),
                     target = std::max<std::int64_t>(hp.max_seq_len_target, 2);
  auto buckets = hp.bucketing_enabled ? make_buckets(ratio, hp.bucket_width, source, target)
                                      : std::vector<Bucket>{{source, target}};
  return {pairs, std::move(buckets), hp.batch_size};
}

std::int64_t longest(const Sequences& a, const Sequences& b) {
  std::int64_t out = 1;
  for (const Sequences* side : {&a, &b})
    for (std::int64_t i = 0; i < side->size(); ++i) out = std::max(out, side->length(i));
  return out;
}

class Job {
 public:
  Job(const Hyperparameters& hp, shell::TrainContext& context, Data data, std::optional<std::int64_t> memory);
  Model run();

 private:
  void announce();
  void resume();
  void train_epoch();
  void update(std::span<const std::int64_t> pairs);
  Score gradient_of(std::span<const std::int64_t> pairs);
  template <class F>
  void each_part(const Pairs& pairs, std::span<const std::int64_t> which, F&& f);
  double rate() const;
  bool limit_reached() const;
  bool checkpoint_is_due() const;

  void checkpoint();
  void judge(const CheckpointScores& scores);
  void lower_rate(bool improved);
  bool has_diverged();
  std::optional<Score> evaluate();
  std::optional<double> decode();
  Json scores_json(const CheckpointScores& scores) const;
  Json data_json() const;
  void save();
  void finish();
  Model model();

  const Hyperparameters& hp_;
  shell::TrainContext& context_;
  shell::TrainLog& log_;
  Data data_;
  Model model_;  // without parameters until the end
  numeric::Team team_;
  std::int64_t budget_;  // bytes for the numbers of a batch
  Parameters parameters_;
  numeric::Floats gradients_, part_gradients_;
  Optimizer optimizer_;
  Network network_;
  BatchPlan plan_, validation_plan_;
  std::optional<BleuSample> sample_;
  Report report_;
  Selection selection_;
  optim::PlateauSchedule plateau_;
  shell::Checkpoints checkpoints_;
  StopClock stop_clock_;
  State state_;
  Batch batch_, part_;
  bool stopped_ = false;  // by the platform
  bool diverged_ = false;
};

/// What hosting needs besides parameters.
Model model_of(const Hyperparameters& hp, shell::TrainContext& context, const Data& data) {
  Model out;
  out.architecture = hp.architecture(data.words.source.size(), data.words.target.size());
  out.source = data.words.source, out.target = data.words.target;
  out.length_ratio_mean = data.train.length_ratio_mean, out.length_ratio_std = data.train.length_ratio_std;
  out.beam_size = usable_beam(hp, out.architecture);
  for (const auto& [name, value] : schema().configuration(context.hyperparameters())) out.hyperparameters[name] = value;
  return out;
}

std::int64_t budget_of(const Hyperparameters& hp, shell::TrainContext& context, const Data& data,
                       const Architecture& architecture, std::optional<std::int64_t> memory) {
  return batch_budget(hp, architecture, !context.checkpoint_dir().empty(), memory.value_or(numeric::available_memory()),
                      longest(data.train.pairs.source, data.validation.pairs.source),
                      longest(data.train.pairs.target, data.validation.pairs.target) + 1);
}

Job::Job(const Hyperparameters& hp, shell::TrainContext& context, Data data, std::optional<std::int64_t> memory)
    : hp_(hp),
      context_(context),
      log_(context.log()),
      data_(std::move(data)),
      model_(model_of(hp, context, data_)),
      team_(context.threads()),
      budget_(budget_of(hp, context, data_, model_.architecture, memory)),
      parameters_(starting_parameters(hp, context, model_.architecture, data_.words.source, data_.words.target)),
      gradients_(parameters_.values().size()),
      optimizer_(hp, parameters_, team_),
      network_(model_.architecture, hp.dropout(), team_),
      plan_(plan_of(hp, data_.train.pairs, data_.train.length_ratio_mean)),
      validation_plan_(plan_of(hp, data_.validation.pairs, data_.train.length_ratio_mean)),
      report_(context.log(), hp),
      selection_(hp),
      plateau_(hp.plateau_reduce_lr_threshold, hp.plateau_reduce_lr_factor),
      checkpoints_(context, "seq2seq",
                   checkpoint_identity(schema().configuration(context.hyperparameters()), data_.words,
                                       data_.train.pairs, data_.validation.pairs)),
      stop_clock_(context) {
  if (hp_.decodes()) sample_.emplace(data_.validation.pairs, hp_.bleu_sample_size);
  state_.rate = hp_.learning_rate;
  announce();
  resume();
}

void Job::announce() {
  report_.words(data_.train);
  report_.left_out("train", data_.train);
  report_.left_out("validation", data_.validation);
  report_.buckets(plan_.counts(), data_.train.pairs.size());
  report_.settings(model_.architecture, plan_.batches());
  log_.info("Parameters: {} learned numbers", parameters_.learned());
  if (sample_)
    log_.info(
        "BLEU is computed for {} validation pairs; {:.2f} % of the words of their targets are <unk>, which counts "
        "as a word.",
        sample_->size(), 100 * sample_->unknown_share());
}

void Job::resume() {
  const auto loaded = checkpoints_.load();
  if (!loaded) return;
  state_ = from_shell(*loaded, plan_.batches(), parameters_, optimizer_);
  selection_.restore(state_.selected, state_.selection_idle);
  plateau_.restore(state_.plateau_idle);
  // Limits may have been raised since: a job that had stopped early then goes on.
  state_.stopped_early = state_.stopped_early && selection_.stops(state_.position.epoch);
  log_.info("Resuming after update {} from {}", state_.position.updates, checkpoints_.file().string());
}

/// Of the next update.
double Job::rate() const {
  const auto half_life =
      static_cast<double>(hp_.fixed_rate_lr_half_life) * static_cast<double>(hp_.checkpoint_frequency_num_batches);
  switch (hp_.lr_scheduler_type) {
    case RateSchedule::kFixedRateInvT:
      return optim::inverse_rate(hp_.learning_rate, half_life, state_.position.updates + 1);
    case RateSchedule::kFixedRateInvSqrtT:
      return optim::inverse_square_root_rate(hp_.learning_rate, half_life, state_.position.updates + 1);
    case RateSchedule::kPlateauReduce:
      break;
  }
  return state_.rate;
}

bool Job::limit_reached() const {
  return (hp_.max_num_batches > 0 && state_.position.updates >= hp_.max_num_batches) ||
         (hp_.max_num_epochs && state_.position.epoch >= *hp_.max_num_epochs);
}

/// Calls f(batch) with batches that memory is enough for and that make up one.
template <class F>
void Job::each_part(const Pairs& pairs, std::span<const std::int64_t> which, F&& f) {
  batch_.assign(pairs, which);
  const std::int64_t rows = std::max<std::int64_t>(
      rows_at_once(model_.architecture, batch_.rows, batch_.source_steps, batch_.target_steps, budget_), 1);
  if (rows >= batch_.rows) return f(batch_);
  for (std::int64_t from = 0; from < std::ssize(which); from += rows) {
    part_.assign(pairs, which.subspan(at(from), std::min(at(rows), which.size() - at(from))));
    f(part_);
  }
}

/// Loss of a batch, and its gradient in gradients_. Where memory is not enough for all of its rows, gradients of parts
/// are added up, each weighted by its share of the labels: the same mean over all labels of the batch.
Score Job::gradient_of(std::span<const std::int64_t> pairs) {
  const auto words =
      numeric::philox(context_.seed(), kDropoutStream, static_cast<std::uint64_t>(state_.position.updates));
  std::uint64_t dropout_seed = std::uint64_t{words[0]} << 32 | words[1];
  Score out;
  each_part(data_.train.pairs, pairs, [&](const Batch& part) {
    if (&part == &batch_) {
      out = network_.train(parameters_, part, dropout_seed, gradients_);
      return;
    }
    if (out.labels == 0) std::ranges::fill(gradients_, 0.0F);
    part_gradients_.resize(gradients_.size());
    out += network_.train(parameters_, part, dropout_seed++, part_gradients_);
    const float share = static_cast<float>(part.label_count) / static_cast<float>(batch_.label_count);
    for (std::size_t i = 0; i < gradients_.size(); ++i) gradients_[i] += share * part_gradients_[i];
  });
  return out;
}

void Job::update(std::span<const std::int64_t> pairs) {
  const Score score = gradient_of(pairs);
  optimizer_.step(parameters_, gradients_, rate());
  state_.since_checkpoint += score;
  Position& position = state_.position;
  position.samples += std::ssize(pairs);
  ++position.updates;
  // An epoch has ended after its last batch: Sockeye counts it one batch early, which drops the last batch of all.
  if (++position.batch == plan_.batches()) position.batch = 0, ++position.epoch;
  report_.batch(position, plan_.batches(), std::ssize(pairs), score, state_.since_checkpoint);
}

/// Also after a job goes on that was stopped before the scores were known.
bool Job::checkpoint_is_due() const {
  return state_.position.updates % hp_.checkpoint_frequency_num_batches == 0 &&
         state_.position.updates != state_.checkpoint_update;
}

void Job::train_epoch() {
  const BatchOrder order = plan_.epoch(context_.seed(), state_.position.epoch);
  for (std::int64_t i = state_.position.batch; i < order.batches(); ++i) {
    update(order[i]);
    stopped_ = context_.stop_requested();
    if (stopped_) return;
    if (checkpoint_is_due()) {
      checkpoint();
      save();
    }
    if (stopped_ || diverged_ || state_.stopped_early || limit_reached()) return;
  }
}

/// Of the validation pairs; nothing when the platform wants the job to end now.
std::optional<Score> Job::evaluate() {
  const BatchOrder order = validation_plan_.in_order();
  Score out;
  for (std::int64_t i = 0; i < order.batches(); ++i) {
    if (stop_clock_.has_run_out()) return std::nullopt;
    each_part(data_.validation.pairs, order[i],
              [&](const Batch& part) { out += network_.evaluate(parameters_, part); });
  }
  return out;
}

std::optional<double> Job::decode() {
  const Translator translator(model_.architecture, parameters_, model_.decode_limits());
  return sample_->score(translator, model_.beam_size, team_, [this] { return stop_clock_.has_run_out(); });
}

/// Whether a learned number is not finite. No later update could mend it, so that training ends, with the best model of
/// the checkpoints before; such numbers never reach a file.
/// @throws Error{kInvalid} that names the number when there is no such model
bool Job::has_diverged() {
  std::string problem;
  try {
    const shell::FiniteCheck check(Seq2Seq::kName, Seq2Seq::kWhenNotFinite);
    for (const Tensor& tensor : parameters_.list()) check.array(tensor.name, parameters_.of(tensor));
  } catch (const Error& error) {
    if (!state_.best) throw;
    problem = error.what();
  }
  if (problem.empty()) return false;
  log_.warn("{}. Training ends; the model of checkpoint {} is kept.", problem, state_.best->checkpoint);
  return true;
}

Json Job::scores_json(const CheckpointScores& scores) const {
  Json out{{"train:perplexity", shell::json_number(scores.train.perplexity())},
           {"train:accuracy", scores.train.accuracy()},
           {"validation:perplexity", shell::json_number(scores.validation.perplexity())},
           {"validation:accuracy", scores.validation.accuracy()}};
  if (scores.bleu) out["validation:bleu"] = *scores.bleu;
  return out;
}

void Job::checkpoint() {
  diverged_ = has_diverged();
  if (diverged_) return;
  const std::int64_t number = state_.checkpoints + 1;
  CheckpointScores scores;
  scores.train = state_.since_checkpoint;
  report_.checkpoint(number, state_.position, scores.train);
  const auto validation = evaluate();
  if (validation) scores.validation = *validation;
  if (validation && sample_) scores.bleu = decode();
  if (!validation || (sample_ && !scores.bleu)) {
    log_.warn("Checkpoint [{}]: the job is to stop before its scores are known; it is not compared with others.",
              number);
    stopped_ = true;
    return;
  }
  report_.validated(number, scores);
  state_.checkpoints = number, state_.checkpoint_update = state_.position.updates;
  state_.since_checkpoint = {};
  judge(scores);
  stopped_ = context_.stop_requested();
  report_.resume();
}

void Job::judge(const CheckpointScores& scores) {
  const bool improved = selection_.add(scores.of(hp_.optimized_metric), scores.validation.perplexity());
  report_.judged(improved, scores, selection_);
  Json entry = scores_json(scores);
  if (improved) state_.best = Best{state_.checkpoints, entry, parameters_};
  entry["checkpoint"] = state_.checkpoints, entry["updates"] = state_.position.updates;
  entry["epoch"] = state_.position.epoch, entry["samples"] = state_.position.samples;
  entry["learning_rate"] = rate();
  state_.history.push_back(std::move(entry));
  lower_rate(improved);
  state_.stopped_early = selection_.stops(state_.position.epoch);
  if (state_.stopped_early) report_.stopped_early(selection_);
  state_.selected = selection_.best(), state_.selection_idle = selection_.idle();
  state_.plateau_idle = plateau_.idle();
}

void Job::lower_rate(bool improved) {
  if (hp_.lr_scheduler_type != RateSchedule::kPlateauReduce) return;
  const double lowered = plateau_.next(state_.rate, improved);
  if (lowered != state_.rate) report_.rate_lowered(hp_.plateau_reduce_lr_threshold, state_.rate, lowered);
  state_.rate = lowered;
}

void Job::save() {
  if (checkpoints_.enabled() && !diverged_) checkpoints_.save(to_shell(state_, parameters_, optimizer_));
}

/// The updates since the last checkpoint make one more. What a job goes on from is saved before: had it not been
/// stopped, or had its limits been higher, it would not have made this checkpoint.
void Job::finish() {
  if (state_.position.updates == state_.checkpoint_update || diverged_ || stop_clock_.has_run_out()) return;
  save();
  checkpoint();
}

Json Job::data_json() const {
  const auto side = [](const SideCounts& counts) {
    return Json{{"words", counts.words}, {"unknown", counts.unknown}, {"cut", counts.cut}};
  };
  const auto channel = [&](const PairData& data) {
    return Json{{"records", data.records},
                {"pairs", data.pairs.size()},
                {"empty", data.empty},
                {"source", side(data.source)},
                {"target", side(data.target)}};
  };
  return {{"train", channel(data_.train)}, {"validation", channel(data_.validation)}};
}

/// The best checkpoint; the parameters as they are where a job was stopped before it had one.
Model Job::model() {
  model_.parameters = state_.best ? std::move(state_.best->parameters) : std::move(parameters_);
  model_.training = {{"updates", state_.position.updates},
                     {"epochs", state_.position.epoch},
                     {"history", state_.history},
                     {"data", data_json()}};
  if (state_.best) {
    model_.training["best_checkpoint"] = state_.best->checkpoint;
    model_.training["best"] = state_.best->scores;
  }
  return std::move(model_);
}

Model Job::run() {
  report_.started();
  if (checkpoint_is_due()) {
    checkpoint();
    save();
  }
  while (!stopped_ && !diverged_ && !state_.stopped_early && !limit_reached()) train_epoch();
  if (limit_reached()) report_.limit_reached();
  finish();
  if (state_.best) report_.finished(state_.best->checkpoint, selection_);
  return model();
}

}  // namespace

Model train(const Hyperparameters& hp, shell::TrainContext& context, Data data, std::optional<std::int64_t> memory) {
  return Job(hp, context, std::move(data), memory).run();
}

Model train(const Hyperparameters& hp, shell::TrainContext& context) {
  Data data;
  data.words = read_vocabularies(context.channel(kVocabularyChannel));
  const Report report(context.log(), hp);
  const auto folder = context.channel(kVocabularyChannel).folder();
  report.vocabulary(data.words.source, (folder / kSourceVocabularyFile).string());
  report.vocabulary(data.words.target, (folder / kTargetVocabularyFile).string());
  const ReadOptions options{.max_source = hp.max_seq_len_source,
                            .max_target = hp.max_seq_len_target,
                            .source_vocabulary = data.words.source.size(),
                            .target_vocabulary = data.words.target.size()};
  data.train = read_pairs(context.channel("train"), options);
  data.validation = read_pairs(context.channel("validation"), options);
  return train(hp, context, std::move(data));
}

}  // namespace clary::seq2seq
