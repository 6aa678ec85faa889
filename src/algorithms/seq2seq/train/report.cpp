// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "algorithms/seq2seq/serve/requests.h"
#include "base/error.h"
#include "learning/shell/duration.h"

namespace clary::seq2seq {
namespace {

constexpr std::int64_t kSpeedBatches = 50;  // Sockeye's MEASURE_SPEED_EVERY
constexpr std::chrono::seconds kProgressEvery{30};
constexpr double kDestructiveDropout = 0.9;

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

std::int64_t usable_beam(const Hyperparameters& hp, const Architecture& architecture) {
  return std::min({hp.beam_size, architecture.target_vocabulary, kMaxBeam});
}

double CheckpointScores::of(Metric metric) const {
  switch (metric) {
    case Metric::kPerplexity:
      return validation.perplexity();
    case Metric::kAccuracy:
      return validation.accuracy();
    case Metric::kBleu:
      break;
  }
  if (!bleu) throw Error(Kind::kInternal, "seq2seq: BLEU was not computed");
  return *bleu;
}

void Report::vocabulary(const Vocabulary& vocabulary, const std::string& file) const {
  log_.info("Vocabulary ({} words) loaded from \"{}\"", vocabulary.words(), file);
  if (const auto gaps = std::ssize(vocabulary.gaps()); gaps > 0)
    log_.info("{} ids below {} have no word in \"{}\": they are read as <unk> and never written.", gaps,
              vocabulary.size(), file);
}

void Report::words(const PairData& train) const {
  log_.info("Source words: {}", train.source.words);
  log_.info("Target words: {}", train.target.words);
  log_.info("Vocab coverage source: {:.0f}%", 100 * train.source.coverage());
  log_.info("Vocab coverage target: {:.0f}%", 100 * train.target.coverage());
}

void Report::left_out(const char* channel, const PairData& data) const {
  if (data.empty > 0)
    log_.info("channel {}: {} of {} records are left out: one of their sides has no words.", channel, data.empty,
              data.records);
  if (data.source.cut > 0)
    log_.info("channel {}: {} sources are cut to max_seq_len_source {}.", channel, data.source.cut,
              hp_.max_seq_len_source);
  if (data.target.cut > 0)
    log_.info("channel {}: {} targets are cut to max_seq_len_target {}, one of which is the end of the sentence.",
              channel, data.target.cut, hp_.max_seq_len_target);
  if (data.from_floats > 0)
    log_.warn("channel {}: {} records hold ids in a tensor of floats; int32_tensor is the form of word ids.", channel,
              data.from_floats);
}

void Report::buckets(std::span<const BatchPlan::BucketCount> buckets, std::int64_t pairs) const {
  log_.info("Total: {} samples in {} buckets", pairs, buckets.size());
  for (const BatchPlan::BucketCount& count : buckets)
    log_.info("Bucket of ({}, {}) : {} samples in {} batches of {}, approx {:.1f} words/batch", count.bucket.source,
              count.bucket.target, count.pairs, count.batches, hp_.batch_size, count.target_words);
}

void Report::settings(const Architecture& a, std::int64_t batches) const {
  if (hp_.clip_gradient == 0) log_.warn("clip_gradient is 0: gradients are not limited, as with a negative number.");
  if (hp_.momentum && hp_.optimizer_type != optim::Rule::kMomentum)
    log_.warn("momentum {} has an effect with optimizer_type sgd only; optimizer_type is {}.", *hp_.momentum,
              name_of(hp_.optimizer_type));
  const std::pair<const char*, double> dropouts[] = {{"embed_dropout_source", hp_.embed_dropout_source},
                                                     {"embed_dropout_target", hp_.embed_dropout_target},
                                                     {"rnn_decoder_hidden_dropout", hp_.rnn_decoder_hidden_dropout},
                                                     {"cnn_hidden_dropout", hp_.cnn_hidden_dropout}};
  for (const auto& [name, share] : dropouts)
    if (share >= kDestructiveDropout)
      log_.warn("{} {} drops nearly everything in training: little will be learned.", name, share);
  const std::int64_t recurrent = std::max(a.encoder == NetworkType::kRnn ? a.encoder_layers : 0,
                                          a.decoder == NetworkType::kRnn ? a.decoder_layers : 0);
  if (a.residual && a.first_residual_layer > recurrent)
    log_.warn("rnn_residual_connections has no effect: no recurrent layer has the number rnn_first_residual_layer {}.",
              a.first_residual_layer);
  if (const std::int64_t beam = usable_beam(hp_, a); beam < hp_.beam_size)
    log_.warn("beam_size {} exceeds {}: {} is used.", hp_.beam_size,
              beam == kMaxBeam ? "what an endpoint takes" : "the target vocabulary", beam);
  if (hp_.max_num_epochs)
    log_.info("max_num_epochs is given: training does not stop early, whatever checkpoint_threshold says.");
  else if (hp_.lr_scheduler_type == RateSchedule::kPlateauReduce &&
           hp_.plateau_reduce_lr_threshold >= hp_.checkpoint_threshold)
    log_.info(
        "Hint: training stops after {} checkpoints without improvement (checkpoint_threshold), and the learning rate "
        "is lowered after {} (plateau_reduce_lr_threshold): it is never used lowered.",
        hp_.checkpoint_threshold, hp_.plateau_reduce_lr_threshold);
  if (batches < hp_.checkpoint_frequency_num_batches)
    log_.info("Hint: an epoch has {} batches, a checkpoint is made every {} (checkpoint_frequency_num_batches).",
              batches, hp_.checkpoint_frequency_num_batches);
}

void Report::started() {
  log_.info("Early stopping by optimizing '{}'", name_of(hp_.optimized_metric));
  log_.info("Training started.");
  checkpoint_began_ = progress_shown_ = Clock::now();
  resume();
}

void Report::resume() {
  window_began_ = Clock::now();
  window_pairs_ = window_words_ = 0;
}

std::string Report::scores_text(const Score& score) const {
  const bool accuracy = hp_.training_metric == Metric::kAccuracy || hp_.optimized_metric == Metric::kAccuracy;
  const bool perplexity = hp_.training_metric == Metric::kPerplexity || hp_.optimized_metric == Metric::kPerplexity;
  std::string out;
  if (perplexity) out += fmt::format("\tperplexity={:f}", score.perplexity());
  if (accuracy) out += fmt::format("\taccuracy={:f}", score.accuracy());
  return out;
}

/// Of the whole training where it has an end that is known, else until the next checkpoint.
std::string Report::time_left(const Position& position, std::int64_t batches, double updates_per_second) const {
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  if (hp_.max_num_batches > 0) last = hp_.max_num_batches;
  // A number of epochs whose product with the batches overflows is no end that anyone waits for.
  if (hp_.max_num_epochs && *hp_.max_num_epochs < last / std::max<std::int64_t>(batches, 1))
    last = std::min(last, *hp_.max_num_epochs * batches);
  const bool known = last != std::numeric_limits<std::int64_t>::max();
  const std::int64_t frequency = hp_.checkpoint_frequency_num_batches;
  const std::int64_t left = known ? last - position.updates : frequency - position.updates % frequency;
  return fmt::format("{} {}", shell::duration_words(static_cast<double>(left) / updates_per_second),
                     known ? "left" : "until the next checkpoint");
}

void Report::batch(const Position& position, std::int64_t batches, std::int64_t pairs, const Score& of_batch,
                   const Score& since_checkpoint) {
  const auto now = Clock::now();
  window_pairs_ += pairs, window_words_ += of_batch.labels;
  ++shown_updates_, shown_words_ += of_batch.labels;
  const double took = std::max(seconds(now - window_began_), 1e-9);
  if (position.updates % kSpeedBatches == 0) {
    log_.info("Epoch[{}] Batch [{}]\tSpeed: {:.2f} samples/sec{}\t{:.1f} words/sec", position.epoch, position.updates,
              static_cast<double>(window_pairs_) / took, scores_text(since_checkpoint),
              static_cast<double>(window_words_) / took);
    shown_seconds_ += took;
    resume();
  }
  if (now - progress_shown_ < kProgressEvery) return;
  const double busy = std::max(shown_seconds_ + seconds(now - window_began_), 1e-9);
  log_.info("Progress: update {}, epoch {}, {:.0f} % of its batches, {:.0f} target words/s, about {}", position.updates,
            position.epoch + 1, 100 * static_cast<double>(position.batch) / static_cast<double>(batches),
            static_cast<double>(shown_words_) / busy,
            time_left(position, batches, static_cast<double>(shown_updates_) / busy));
  progress_shown_ = now;
  shown_updates_ = shown_words_ = 0;
  shown_seconds_ = -seconds(now - window_began_);
}

void Report::checkpoint(std::int64_t number, const Position& position, const Score& train) {
  const auto now = Clock::now();
  shown_seconds_ += seconds(now - window_began_);
  log_.info("Checkpoint [{}]\tUpdates={} Epoch={} Samples={} Time-cost={:.3f}", number, position.updates,
            position.epoch, position.samples, seconds(now - checkpoint_began_));
  checkpoint_began_ = now;
  log_.info("Checkpoint [{}]\tTrain-perplexity={:f}", number, train.perplexity());
  log_.info("Checkpoint [{}]\tTrain-accuracy={:f}", number, train.accuracy());
}

void Report::validated(std::int64_t number, const CheckpointScores& scores) const {
  log_.info("Checkpoint [{}]\tValidation-perplexity={:f}", number, scores.validation.perplexity());
  log_.info("Checkpoint [{}]\tValidation-accuracy={:f}", number, scores.validation.accuracy());
  if (scores.bleu) log_.info("Checkpoint [{}]\tValidation-bleu={:f}", number, *scores.bleu);
}

void Report::judged(bool improved, const CheckpointScores& scores, const Selection& selection) const {
  const char* name = name_of(hp_.optimized_metric);
  if (improved) {
    log_.info("Validation-{} improved to {:f}.", name, scores.of(hp_.optimized_metric));
    return;
  }
  log_.info("Validation-{} has not improved, best so far: {:f}", name, selection.best()->value);
  log_.info("Model has not improved for {} checkpoints", selection.idle());
}

void Report::rate_lowered(std::int64_t checkpoints, double from, double to) const {
  log_.info("{} checkpoints since improvement or rate scaling, lowering learning rate: {:1.2e} -> {:1.2e}", checkpoints,
            from, to);
}

void Report::stopped_early(const Selection& selection) const {
  log_.info("Maximum number of not improved checkpoints ({}) reached: {}", hp_.checkpoint_threshold, selection.idle());
}

void Report::limit_reached() const {
  log_.info("Maximum # of updates ({}) or epochs ({}) reached.",
            hp_.max_num_batches > 0 ? fmt::format("{}", hp_.max_num_batches) : "None",
            hp_.max_num_epochs ? fmt::format("{}", *hp_.max_num_epochs) : "None");
}

void Report::finished(std::int64_t checkpoint, const Selection& selection) const {
  log_.info("Training finished. Best checkpoint: {}. Best validation {}: {:f}", checkpoint,
            name_of(hp_.optimized_metric), selection.best()->value);
}

}  // namespace clary::seq2seq
