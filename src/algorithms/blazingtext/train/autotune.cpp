// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/autotune.h"

namespace clary::blazingtext {
namespace {

constexpr double kRates[] = {0.05, 0.1, 0.25, 0.5, 1};
constexpr std::int64_t kMostEpochs = 4;     // times those given
constexpr double kWorthMoreEpochs = 0.002;  // above what seeds change on a few thousand lines

/// Validation accuracy after a training with these hyperparameters.
/// A whole training with the trial's values and a silent report; the weights are dropped.
double accuracy_of(const Hyperparameters& hp, const TrainingJob& job) {
  shell::TrainLog nowhere("", "", [](std::string_view) {});
  Report report(nowhere, hp);
  TrainingJob trial{hp,       job.train,   job.validation, report,  job.threads,
                    job.seed, job.stopped, nullptr,        job.gpu, job.pretrained};
  train_classifier(trial);
  return report.last_accuracy();
}

class Search {
 public:
  Search(const TrainingJob& job, shell::TrainLog& log) : job_(job), log_(log), best_(job.hp) {}

  const Hyperparameters& best() const { return best_; }

  /// @param gain  over the best so far that is wanted. @return whether these values are the new best
  bool tries(double rate, std::int64_t epochs, double gain) {
    Hyperparameters hp = best_;
    hp.learning_rate = rate, hp.epochs = epochs;
    const double accuracy = accuracy_of(hp, job_);
    if (job_.stopped()) return false;
    log_.info("autotune: learning_rate {}, epochs {}: accuracy {:.4f} on validation text", rate, epochs, accuracy);
    if (!(accuracy > accuracy_ + gain)) return false;
    accuracy_ = accuracy, best_ = hp;
    return true;
  }

 private:
  const TrainingJob& job_;
  shell::TrainLog& log_;
  Hyperparameters best_;
  double accuracy_ = -1;
};

}  // namespace

// One axis after the other: rates first, then more epochs with the best rate. Five to seven trainings instead of
// fifteen.
Hyperparameters autotuned(const TrainingJob& job, shell::TrainLog& log) {
  Search search(job, log);
  const std::int64_t epochs = job.hp.epochs;
  for (const double rate : kRates)
    if (!job.stopped()) search.tries(rate, epochs, 0);
  for (std::int64_t times = 2; times <= kMostEpochs && !job.stopped(); times *= 2)
    if (!search.tries(search.best().learning_rate, times * epochs, kWorthMoreEpochs)) break;
  log.info("autotune: taking learning_rate {}, epochs {}", search.best().learning_rate, search.best().epochs);
  return search.best();
}

}  // namespace clary::blazingtext
