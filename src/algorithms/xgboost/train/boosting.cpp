// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/train/boosting.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "algorithms/xgboost/model/model_file.h"
#include "algorithms/xgboost/train/checkpoint.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/optim/early_stopping.h"

namespace clary::xgboost {
namespace {

constexpr std::uint64_t kMaxCheckpointBytes = 4ULL << 30;

template <class T>
std::optional<T> number_attribute(const Booster& booster, const char* name) {
  const auto text = booster.attribute(name);
  T out{};
  if (!text || std::from_chars(text->data(), text->data() + text->size(), out).ec != std::errc()) return std::nullopt;
  return out;
}

// One training on one host, or this host's part of one on several. Every call of the library that communicates
// (update, evaluate with own metrics, the reductions here) must happen on all hosts in the same order: decisions that
// depend on one host are reduced first.
class Run {
 public:
  Run(const Boosting& job, const Matrix& train, const Matrix* validation)
      : job_(job),
        train_(train),
        matrices_(validation != nullptr ? std::vector{&train, validation} : std::vector{&train}),
        booster_(matrices_),
        evaluator_(job.hp, matrices_, job.communicator),
        checkpoints_(job.is_master() ? job.checkpoint_dir : std::filesystem::path()) {}

  Boosted run() {
    // resume() before set_parameters(): loading a model replaces the booster's parameters.
    round_ = resume();
    const int first = round_;
    // From here on the booster is trained; round_ is the number of rounds that it has.
    set_parameters();
    for (; round_ < job_.hp.num_round && !stop_requested(); ++round_)
      if (!step()) break;
    if (round_ == first && first > 0)
      entries_ = evaluator_.evaluate(booster_, first - 1);  // the checkpoint was the end
    if (round_ == first && first == 0) throw Error(Kind::kCancelled, "stopped before the first round");
    return {finished(), std::move(entries_)};
  }

 private:
  bool stop_requested() {
    double stop = job_.context.stop_requested() ? 1 : 0;
    // All hosts stop in the same round.
    if (job_.communicator != nullptr) job_.communicator->all_reduce_max(std::span(&stop, 1));
    return stop > 0;
  }

  /// The round to go on with: 0 without a checkpoint. All hosts take the master's.
  /// The newest readable checkpoint. Reading into a booster of its own first: a damaged file must not leave booster_
  /// half loaded.
  int resume() {
    std::string model, round = "-1";
    for (const auto& found : checkpoints_.found()) {
      try {
        model = read_file(found.file, kMaxCheckpointBytes);
        Booster().load_from_buffer(model);
      } catch (const Error& error) {
        job_.report.warn(
            fmt::format("Checkpoint {} cannot be read, an older one is tried: {}", found.file.string(), error.what()));
        model.clear();
        continue;
      }
      job_.report.info(fmt::format("Checkpoint loaded from {}", found.file.string()));
      job_.report.info(fmt::format("Resuming from iteration {}", found.round + 1));
      round = std::to_string(found.round);
      break;
    }
    if (job_.communicator != nullptr) {
      job_.communicator->broadcast(round, 0);
      job_.communicator->broadcast(model, 0);
    }
    if (model.empty()) return 0;
    booster_.load_from_buffer(model);
    return std::stoi(round) + 1;
  }

  void set_parameters() {
    // The library then refuses parameters that it does not know.
    booster_.set("validate_parameters", "1");
    for (const auto& [name, value] : job_.hp.library) booster_.set(name, value);
    booster_.set("nthread", std::to_string(job_.hp.nthread.value_or(job_.context.threads())));
    for (const std::string& metric : Evaluator::library_metrics(job_.hp, job_.report.tag()))
      booster_.set("eval_metric", metric);
    // The sum is taken modulo a prime so that the library's 32-bit seed does not overflow.
    // The library's random state is not in a checkpoint: go on with numbers that the first rounds did not have.
    if (round_ > 0)
      booster_.set("seed", std::to_string(static_cast<std::uint32_t>(job_.hp.seed) % 1'000'000'007U +
                                          static_cast<std::uint32_t>(round_)));
  }

  /// One round. @return false when early stopping says that it was the last
  /// Order: train, evaluate, log, decide, checkpoint, model file. The checkpoint is written after watch(), because
  /// best_score and best_iteration are attributes of it.
  bool step() {
    booster_.update(round_, train_);
    entries_ = evaluator_.evaluate(booster_, round_);
    if (job_.is_master()) {
      job_.report.plain(format_line(round_, entries_, job_.report.tag()));
      if (const auto plain = plain_names(entries_); !plain.empty())
        job_.report.plain(format_line(round_, plain, job_.report.tag()));
    }
    const bool go_on = watch();
    if (checkpoints_.enabled())
      checkpoints_.save(round_, booster_.save_to_buffer(job_.report.tag() >= Tag{3, 0} ? ModelFormat::kUbj
                                                                                       : ModelFormat::kDeprecated));
    // round_ counts rounds: the last one is done.
    if (!go_on) ++round_;
    if (!job_.model_file.empty() && job_.is_master()) save_model();
    return go_on;
  }

  void save_model() {
    const auto form = model_file_of(job_.report.tag());
    write_file_atomically(job_.model_file, write_model(booster_, form));
  }

  /// The value that early stopping watches, by name, or the last of the validation channel.
  /// All hosts see the same entries, so that they choose the same.
  const Entry* watched() const {
    if (entries_.empty() || entries_.back().channel != "validation") return nullptr;
    std::string name = job_.hp.tuning_metric;
    if (name.empty() && !job_.hp.eval_metric.empty()) name = job_.hp.eval_metric.back();
    if (name.empty()) return &entries_.back();
    for (const Entry& entry : entries_)
      if (entry.channel == "validation" && (entry.metric == name || entry.metric.starts_with(name + "@")))
        return &entry;
    return &entries_.back();
  }

  /// @return false: stop
  bool watch() {
    const Entry* entry = job_.hp.early_stopping_rounds ? watched() : nullptr;
    if (entry == nullptr) return true;
    if (!stopping_) start_watching(entry->metric);
    // The first score is the best whatever it is, a NaN included, as in the library's Python callback.
    const bool better = stopping_->best() ? stopping_->add(entry->value) : (stopping_->restore(entry->value, 0), true);
    if (better) {
      // For the checkpoint; and the linear booster has no rounds to cut off later.
      booster_.set_attribute("best_score", fmt::format("{}", entry->value));
      booster_.set_attribute("best_iteration", std::to_string(round_));
      if (is_linear()) best_linear_ = booster_.save_to_buffer(ModelFormat::kUbj);
    }
    return !stopping_->stops();
  }

  // After a restart the patience that was used up counts on.
  void start_watching(const std::string& metric) {
    using Better = optim::EarlyStopping::Better;
    stopping_.emplace(*job_.hp.early_stopping_rounds, is_maximised(metric) ? Better::kHigher : Better::kLower);
    const auto round = number_attribute<int>(booster_, "best_iteration");
    const auto score = number_attribute<double>(booster_, "best_score");
    if (round_ > 0 && round && score && *round < round_) stopping_->restore(*score, round_ - 1 - *round);
  }

  bool is_linear() const {
    for (const auto& [name, value] : job_.hp.library)
      if (name == "booster") return value == "gblinear";
    return false;
  }

  // Trees after the best round are cut off; a linear model has no rounds to cut, hence its copy.
  Booster finished() {
    int best = round_ - 1;
    const auto watched_best = number_attribute<int>(booster_, "best_iteration");
    if (job_.hp.early_stopping_rounds && watched_best && *watched_best >= 0 && *watched_best < best) {
      best = *watched_best;
      if (!is_linear())
        booster_ = booster_.slice(0, best + 1);
      else if (!best_linear_.empty())
        booster_.load_from_buffer(best_linear_);
    }
    booster_.set_attribute("best_iteration", std::to_string(best));
    booster_.set_attribute("best_ntree_limit", std::to_string(best + 1));
    return std::move(booster_);
  }

  const Boosting& job_;
  const Matrix& train_;
  std::vector<const Matrix*> matrices_;
  Booster booster_;
  Evaluator evaluator_;
  Checkpoints checkpoints_;
  std::optional<optim::EarlyStopping> stopping_;
  std::string best_linear_;
  std::vector<Entry> entries_;
  int round_ = 0;
};

}  // namespace

Boosted boost(const Boosting& job, const Matrix& train, const Matrix* validation) {
  return Run(job, train, validation).run();
}

}  // namespace clary::xgboost
