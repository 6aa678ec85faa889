// SPDX-License-Identifier: Apache-2.0
// Which checkpoint is the model, and when training has gone on long enough without a better one.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "algorithms/seq2seq/hyperparameters.h"

namespace clary::seq2seq {

class Selection {
 public:
  struct Best {
    double value = 0, perplexity = 0;
  };

  explicit Selection(const Hyperparameters& hp)
      : metric_(hp.optimized_metric),
        threshold_(hp.checkpoint_threshold),
        min_epochs_(hp.min_num_epochs),
        // AWS's page: with max_num_epochs training goes on that long whatever the validation says.
        stops_early_(!hp.max_num_epochs) {}

  /// A checkpoint's validation scores. @param value  of optimized_metric
  /// @return whether it is the best: the first one, a strictly better one, or one of equal BLEU and lower perplexity
  /// (BLEU is the same for long while a network has learned nothing)
  bool add(double value, double perplexity) {
    if (!improves(value, perplexity)) return ++idle_, false;
    best_ = {value, perplexity}, idle_ = 0;
    return true;
  }
  /// @param epochs  that have ended
  bool stops(std::int64_t epochs) const { return stops_early_ && idle_ >= threshold_ && epochs >= min_epochs_; }

  const std::optional<Best>& best() const { return best_; }
  /// Checkpoints since the best.
  std::int64_t idle() const { return idle_; }
  /// Goes on where another object was.
  void restore(const std::optional<Best>& best, std::int64_t idle) { best_ = best, idle_ = idle; }

 private:
  bool improves(double value, double perplexity) const {
    if (!best_) return true;
    if (std::isnan(value)) return false;
    if (std::isnan(best_->value)) return true;
    if (metric_ == Metric::kPerplexity) return value < best_->value;
    if (metric_ == Metric::kBleu && value == best_->value) return perplexity < best_->perplexity;
    return value > best_->value;
  }

  Metric metric_;
  std::int64_t threshold_, min_epochs_;
  bool stops_early_;
  std::optional<Best> best_;
  std::int64_t idle_ = 0;
};

}  // namespace clary::seq2seq
