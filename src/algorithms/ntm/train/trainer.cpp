// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/train/trainer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>

#include "algorithms/ntm/data/dataset.h"
#include "algorithms/ntm/train/checkpoint.h"
#include "algorithms/ntm/train/early_stopping.h"
#include "algorithms/ntm/train/exchange.h"
#include "algorithms/ntm/train/loss.h"
#include "base/error.h"

namespace clary::ntm {
namespace {

/// Text file with GloVe or word2vec vectors for WETC; set by the operator.
constexpr const char* kEnvEmbeddings = "CLARY_WETC_EMBEDDINGS";
constexpr std::uint32_t kScoreStream = 0xFFFFFFFFu;  // training uses the host's rank

using Clock = std::chrono::system_clock;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

std::vector<Document> all(const Documents& documents) {
  std::vector<Document> out;
  for (std::int64_t i = 0; i < documents.size(); ++i) out.push_back(documents[i]);
  return out;
}

/// A short fingerprint (FNV-1a) to see whether two hosts were given the same rows.
std::uint64_t fingerprint(const Documents& d) {
  std::uint64_t hash = 14695981039346656037ull;
  const auto add = [&](const auto& values) {
    for (const auto& v : values) {
      // Values of at most 8 bytes, as integers; collisions are irrelevant for a comparison of honest hosts.
      std::uint64_t bits = 0;
      std::memcpy(&bits, &v, sizeof(v));
      hash = (hash ^ bits) * 1099511628211ull;
    }
  };
  add(d.offsets);
  add(d.words);
  add(d.counts);
  return hash;
}

/// Means of a LossSum.
struct Loss {
  double reconstruction = 0, divergence = 0;
  explicit Loss(const LossSum& sum)
      : reconstruction(sum.reconstruction / static_cast<double>(sum.documents)),
        divergence(sum.divergence / static_cast<double>(sum.documents)) {}
  double total() const { return reconstruction + divergence; }
};

class Job {
 public:
  Job(const Hyperparameters& hp, shell::TrainContext& context);
  Model run();

 private:
  struct Scored {
    std::vector<Document> documents;  // this host's part
    Documents storage;
  };

  void announce();
  void resume();
  Scored load_scored(const std::string& channel);
  double score(const Scored& what, std::int64_t epoch);
  LossSum train_epoch(std::int64_t epoch);
  LossSum step(const std::vector<Document>& batch, std::int64_t epoch);
  bool finish_epoch(std::int64_t epoch);
  void log_losses(const char* title, const Loss& loss);
  void log_progress(std::int64_t epoch, Clock::time_point start, Clock::time_point trained);
  void save_checkpoint(std::int64_t epoch);
  TopicReport topic_report();

  const Hyperparameters& hp_;
  shell::TrainContext& context_;
  shell::TrainLog& log_;
  std::vector<std::string> vocabulary_;
  std::unique_ptr<TrainingRows> rows_;
  std::optional<Scored> validation_, test_;
  Team team_;
  Parameters parameters_, best_, gradient_;
  Optimizer optimizer_;
  Objective objective_;
  WordIndex index_;
  Exchange exchange_;
  shell::Checkpoints checkpoints_;
  EarlyStopping stopping_;
  std::int64_t first_epoch_ = 0;
  std::int64_t examples_ = 0, batches_ = 0;  // of the epoch, this host
  std::int64_t total_examples_ = 0, total_batches_ = 0;
  bool stopped_ = false;  // by the platform
  Clock::time_point started_ = Clock::now();
};

// Gradients of the embedding are kept per word of the batch (WordIndex), a V x units matrix is not needed.
Parameters without_embedding(const Shape& shape) {
  Shape small = shape;
  small.vocabulary = 1;
  Parameters p(small);
  p.decoder = Matrix(shape.topics + 1, shape.vocabulary);
  p.shape = shape;
  return p;
}

Job::Job(const Hyperparameters& hp, shell::TrainContext& context)
    : hp_(hp),
      context_(context),
      log_(context.log()),
      team_(context.threads(), static_cast<int>(context.hosts().rank()), static_cast<int>(context.hosts().size())),
      parameters_(initial_parameters(hp.shape(), context.seed())),
      gradient_(without_embedding(hp.shape())),
      optimizer_(hp.optimizer_options(), parameters_),
      objective_(team_),
      exchange_(context.collective(), parameters_),
      checkpoints_(context, "ntm", checkpoint_identity(hp)),
      stopping_(hp.num_patience_epochs, hp.tolerance, hp.patience_warmup_epochs) {
  log_.info("nvidia-smi identified 0 GPUs.");
  const std::string checkpoints = context.checkpoint_dir().string();
  log_.info("{}", checkpoints.empty() ? "Checkpoint loading and saving are disabled."
                                      : "Checkpoints are kept in " + checkpoints);
  log_.info("Initializing");
  vocabulary_ = read_vocabulary(context, hp.feature_dim);
  log_.info("{}", vocabulary_.empty() ? "Vocab file is not provided"
                                      : fmt::format("Vocab file vocab.txt has {} words", vocabulary_.size()));
  std::vector<std::int64_t> occurrences(static_cast<std::size_t>(hp.feature_dim), 0);
  // Another order of documents on each host, the same initial parameters on all.
  const std::uint64_t seed =
      context.seed() + 0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(context.hosts().rank());
  // A pipe can be read only once at a time and gives no counts before: words are then shared out evenly.
  if (context.channel("train").is_pipe()) {
    rows_ = rows_of_pipe(context, hp.feature_dim, hp.sub_sample, seed);
  } else {
    Corpus corpus = read_channel(context, "train", hp.feature_dim);
    const std::int64_t everywhere = exchange_.sum(corpus.documents.size()), rows = exchange_.sum(corpus.rows);
    if (everywhere == 0) {
      throw Error(Kind::kInvalid, fmt::format("ntm: channel train: none of its {} documents has a word", rows));
    }
    if (corpus.empty > 0) log_.warn("{} of {} training documents have no words: left out.", corpus.empty, corpus.rows);
    for (const std::int32_t w : corpus.documents.words) ++occurrences[static_cast<std::size_t>(w)];
    rows_ = rows_in_memory(std::move(corpus), hp.sub_sample, seed);
  }
  index_ = WordIndex(balanced_borders(occurrences, team_.size()));
  // Every host takes these steps in the same order: load_scored() sums over the hosts.
  if (context.has_channel("validation")) validation_ = load_scored("validation");
  if (context.has_channel("test")) test_ = load_scored("test");
  announce();
  resume();
}

void Job::announce() {
  log_.info("Number of GPUs being used: 0");
  log_.info("Threads: {}, vector instructions: {}", team_.size(), kernels::instruction_set());
  if (!exchange_.alone()) {
    log_.info("Create Store: {} hosts, changes are added up every {} steps", context_.hosts().size(),
              hp_.sync_steps > 0 ? hp_.sync_steps : automatic_sync_steps(context_.hosts().size()));
  }
  log_.info(
      "Early stopping: monitored loss is the {} total; an epoch is bad unless it is at least {} nats (absolute) "
      "below the lowest of the {} epochs before; stops after more than {} bad epochs in a row.",
      validation_ ? "validation" : "training", hp_.tolerance, hp_.num_patience_epochs, hp_.num_patience_epochs);
  log_.metrics({.start = started_,
                .end = Clock::now(),
                .epoch = std::nullopt,
                .meta = "init_train_data_iter",
                .values = {{"Total Records Seen", 0.0}, {"Total Batches Seen", 0.0}, {"Reset Count", 0.0}}});
}

Job::Scored Job::load_scored(const std::string& channel) {
  Corpus corpus = read_channel(context_, channel, hp_.feature_dim);
  if (corpus.empty > 0) log_.warn("{} of {} {} documents have no words: left out.", corpus.empty, corpus.rows, channel);
  Scored s;
  s.storage = std::move(corpus.documents);
  const std::int64_t count = s.storage.size();
  if (exchange_.sum(count) == 0) {
    throw Error(Kind::kInvalid, fmt::format("ntm: channel {}: none of its documents has a word", channel));
  }
  s.documents = all(s.storage);
  // Hosts with the same rows (the rule: FullyReplicated) share the work; the sum is the same as if each did all.
  // Hosts with different rows each score what they have.
  if (exchange_.agree(fingerprint(s.storage))) {
    const auto [from, to] = share(count, context_.hosts().rank(), context_.hosts().size());
    s.documents.assign(s.documents.begin() + from, s.documents.begin() + to);
  }
  return s;
}

void Job::resume() {
  const auto loaded = checkpoints_.load();
  if (!loaded) return;
  Checkpoint found = from_shell(*loaded, hp_.shape());
  log_.info("Resuming after epoch {} from {}", found.epoch, checkpoints_.file().string());
  parameters_ = std::move(found.parameters);
  best_ = std::move(found.best);
  optimizer_.restore(std::move(found.optimizer));
  // Replays the losses, which restores the best epoch and the count of bad ones.
  stopping_.restore(found.history);
  first_epoch_ = found.epoch;
  // The base of the exchange is what all hosts have loaded.
  exchange_ = Exchange(context_.collective(), parameters_);
}

LossSum Job::step(const std::vector<Document>& batch, std::int64_t epoch) {
  team_.run([&](int t) {
    index_.build(t, batch);
    optimizer_.catch_up(t, parameters_, index_);
  });
  const Noise noise{context_.seed(), static_cast<std::uint32_t>(epoch),
                    static_cast<std::uint32_t>(context_.hosts().rank())};
  const float weight =
      hp_.kl_warmup_epochs > epoch ? static_cast<float>(epoch) / static_cast<float>(hp_.kl_warmup_epochs) : 1.0f;
  const LossSum loss = objective_.loss_and_gradient(parameters_, batch, noise, weight, index_, gradient_);
  optimizer_.step(parameters_, gradient_, index_, team_);
  // MXNet: average = momentum * average + (1 - momentum) * batch.
  for (std::size_t l = 0; l < parameters_.running_mean.size(); ++l) {
    const auto follow = [](Matrix& average, const Matrix& now) {
      for (std::int64_t c = 0; c < average.columns; ++c) {
        average.at(0, c) = kBatchNormMomentum * average.at(0, c) + (1 - kBatchNormMomentum) * now.at(0, c);
      }
    };
    follow(parameters_.running_mean[l], objective_.encoder().batch_mean()[l]);
    follow(parameters_.running_variance[l], objective_.encoder().batch_variance()[l]);
  }
  exchange_.note(index_);
  examples_ += static_cast<std::int64_t>(batch.size());
  ++batches_;
  return loss;
}

LossSum Job::train_epoch(std::int64_t epoch) {
  rows_->begin_epoch(epoch);
  examples_ = batches_ = 0;
  LossSum loss;
  const std::int64_t between = exchange_.alone()    ? 1
                               : hp_.sync_steps > 0 ? hp_.sync_steps
                                                    : automatic_sync_steps(context_.hosts().size());
  bool more = true, anyone = true;
  // A host without rows left keeps calling merge(), until no host has any. A stop request on one host stops all at the
  // same merge.
  while (anyone) {
    for (std::int64_t i = 0; i < between && more; ++i) {
      const std::vector<Document> batch = rows_->next(hp_.mini_batch_size);
      more = !batch.empty();
      if (more) loss += step(batch, epoch);
    }
    const auto all_hosts = exchange_.merge(parameters_, optimizer_, team_, {more, context_.stop_requested()});
    stopped_ = stopped_ || all_hosts.stop;
    anyone = all_hosts.has_more && !stopped_;
  }
  // merge() has flushed when rows move, but with one host it returns at once; rows must be current for scoring and the
  // checkpoint.
  if (optimizer_.moves_idle_rows() || checkpoints_.enabled()) optimizer_.flush(parameters_, team_);
  total_examples_ += examples_;
  total_batches_ += batches_;
  return exchange_.sum(loss);
}

void Job::log_losses(const char* title, const Loss& loss) {
  log_.info("{}", title);
  log_.info("Loss (name: value) total: {}", shell::python_float(loss.total()));
  log_.info("Loss (name: value) kld: {}", shell::python_float(loss.divergence));
  log_.info("Loss (name: value) recons: {}", shell::python_float(loss.reconstruction));
  log_.info("Loss (name: value) logppx: {}", shell::python_float(loss.total()));
}

double Job::score(const Scored& what, std::int64_t epoch) {
  const Noise noise{context_.seed(), static_cast<std::uint32_t>(epoch), kScoreStream};
  const LossSum sum = exchange_.sum(objective_.loss(parameters_, what.documents, noise));
  const std::int64_t batches = (sum.documents + hp_.mini_batch_size - 1) / hp_.mini_batch_size;
  log_.info("Finished scoring on {} examples from {} batches, each of size {}.", sum.documents, batches,
            hp_.mini_batch_size);
  const Loss loss(sum);
  log_losses("Metrics for Inference:", loss);
  return loss.total();
}

/// Early stopping's bookkeeping and its lines; true to stop.
bool Job::finish_epoch(std::int64_t epoch) {
  const auto start = Clock::now();
  const LossSum sum = train_epoch(epoch);
  // All hosts see the same sum and take the same branch.
  if (sum.documents == 0) {
    if (stopped_) return true;
    throw Error(Kind::kInvalid, "ntm: channel train: none of its documents has a word");
  }
  const auto trained = Clock::now();
  const Loss loss(sum);
  log_.info("# Finished training epoch {} on {} examples from {} batches, each of size {}.", epoch + 1, examples_,
            batches_, hp_.mini_batch_size);
  log_losses("Metrics for Training:", loss);
  log_.quality_metric("train", "total_loss", "loss", loss.total(), epoch + 1);
  // The validation loss is what is monitored when there is one.
  double monitored = loss.total();
  if (validation_) {
    monitored = score(*validation_, epoch);
    log_.info("#validation_score ({}): {}", epoch + 1, shell::python_float(monitored));
    log_.quality_metric("validation", "total_loss", "loss", monitored, epoch + 1);
  }
  const EarlyStopping::Verdict v = stopping_.add(monitored);
  // The first epoch counts as best even when its loss is not a number, so that there is a model.
  if (v.best || best_.embedding.rows == 0) {
    optimizer_.flush(parameters_, team_);
    best_ = parameters_;
  }
  if (v.compared) {
    std::vector<std::string> previous;
    for (const double x : v.previous) previous.push_back(shell::python_float(x));
    log_.info("patience losses:[{}] min patience loss:{} current loss:{} absolute loss difference:{}",
              fmt::join(previous, ", "), shell::python_float(v.minimum), shell::python_float(monitored),
              shell::python_float(v.difference));
    if (v.bad) log_.info("Bad epoch: loss has not improved (enough). Bad count:{}", v.bad_count);
  }
  log_progress(epoch, start, trained);
  // An epoch cut off by a stop is not saved: a resumed job repeats it.
  if (!stopped_) save_checkpoint(epoch);
  if (v.stop) {
    log_.info("Bad epochs exceeded patience. Stopping training early!");
    log_.info("Early stop condition met. Stopping training.");
    log_.progress(100);
  }
  return v.stop || stopped_;
}

void Job::log_progress(std::int64_t epoch, Clock::time_point start, Clock::time_point trained) {
  const auto end = Clock::now();
  log_.info("Timing: train: {:.2f}s, val: {:.2f}s, epoch: {:.2f}s", seconds(trained - start), seconds(end - trained),
            seconds(end - start));
  log_.progress(100.0 * static_cast<double>(epoch + 1) / static_cast<double>(hp_.epochs));
  const auto count = [](std::int64_t n) { return static_cast<double>(n); };
  log_.metrics({.start = start,
                .end = end,
                .epoch = epoch,
                .meta = "training_data_iter",
                .values = {{"Total Records Seen", count(total_examples_)},
                           {"Total Batches Seen", count(total_batches_)},
                           {"Max Records Seen Between Resets", count(examples_)},
                           {"Max Batches Seen Between Resets", count(batches_)},
                           {"Reset Count", count(epoch + 1)},
                           {"Number of Records Since Last Reset", count(examples_)},
                           {"Number of Batches Since Last Reset", count(batches_)}}});
  log_.throughput(count(examples_) / std::max(seconds(trained - start), 1e-9));
}

void Job::save_checkpoint(std::int64_t epoch) {
  if (!checkpoints_.enabled()) return;
  checkpoints_.save(to_shell({epoch + 1, stopping_.history(), parameters_, best_, optimizer_.state()}));
}

TopicReport Job::topic_report() {
  TopicReport r;
  // parameters_ is the best epoch's by now, equal on all hosts; the counts of each host's own documents are summed.
  r.top = top_words(parameters_.decoder);
  r.uniqueness = topic_uniqueness(r.top);
  Cooccurrence counts = count_cooccurrence(r.top, rows_->sample());
  counts.documents = exchange_.sum(counts.documents);
  if (!exchange_.alone()) {
    context_.collective().all_reduce_sum(std::span<std::int64_t>(counts.words));
    context_.collective().all_reduce_sum(std::span<std::int64_t>(counts.pairs));
  }
  r.npmi = npmi(counts, hp_.num_topics);
  const char* embeddings = std::getenv(kEnvEmbeddings);
  if (vocabulary_.empty()) return r;
  if (!embeddings || !*embeddings) {
    log_.warn("No word vectors here ({} is not set): WETC is left out; TU and NPMI are given.", kEnvEmbeddings);
    return r;
  }
  log_.info("Loading pre-trained token embedding vectors from {}", embeddings);
  const WordVectors vectors = read_word_vectors(embeddings, vocabulary_);
  if (vectors.missing > 0) {
    log_.warn("{} out of {} in vocabulary do not have embeddings! Default vector used for unknown embedding!",
              vectors.missing, vocabulary_.size());
  }
  r.coherence = embedding_coherence(r.top, [&](std::int32_t w) { return vectors.of(w); });
  return r;
}

Model Job::run() {
  std::int64_t epoch = first_epoch_;
  while (epoch < hp_.epochs && !stopped_) {
    log_.info("# Starting training for epoch {}", epoch + 1);
    const bool stop = finish_epoch(epoch++);
    if (stop) break;
  }
  if (stopped_) log_.info("Asked to stop: training ends in epoch {}.", epoch);
  if (best_.embedding.rows > 0) parameters_ = best_;
  double final_loss = stopping_.best_loss();
  if (validation_) {
    // With the noise of that epoch: the same number as was logged then.
    final_loss = score(*validation_, std::max<std::int64_t>(stopping_.best_epoch() - 1, 0));
    log_.quality_metric("validation", "total_loss", "loss", final_loss, epoch);
    log_.info("Loss of server-side model: {}", shell::python_float(final_loss));
  }
  log_.info("Best model based on early stopping at epoch {}. Best loss: {}", stopping_.best_epoch(),
            shell::python_float(stopping_.best_loss()));
  TopicReport topics = topic_report();
  for (const std::string& line : log_lines(topics, vocabulary_)) log_.info("{}", line);
  log_.info("Topic coherence (NPMI over the training documents): mean {:.3f}, by topic [{:.3f}]",
            TopicReport::mean(topics.npmi), fmt::join(topics.npmi, ", "));
  log_.info("Serializing model to {}", (context_.model_dir() / ("model_" + context_.hosts().current)).string());
  Json meta{{"algorithm", "ntm"},
            {"hyperparameters", context_.hyperparameters()},
            {"best_epoch", stopping_.best_epoch()},
            {"best_loss", stopping_.best_loss()},
            {"monitored", validation_ ? "validation:total_loss" : "train:total_loss"},
            {"epochs", epoch},
            {"losses", stopping_.history()}};
  if (test_) {
    const double loss = score(*test_, 0);
    log_.quality_metric("test", "total_loss", "loss", loss);
    meta["test_loss"] = loss;
  } else {
    log_.info("Test data is not provided.");
  }
  log_.metrics(
      {.start = started_,
       .end = Clock::now(),
       .epoch = std::nullopt,
       .meta = "",
       .values = {{"epochs", static_cast<double>(epoch)}, {"totaltime", 1000 * seconds(Clock::now() - started_)}}});
  return Model(std::move(parameters_), std::move(vocabulary_), std::move(topics), std::move(meta));
}

}  // namespace

Model train(const Hyperparameters& hp, shell::TrainContext& context) { return Job(hp, context).run(); }

}  // namespace clary::ntm
