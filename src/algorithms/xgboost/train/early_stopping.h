// SPDX-License-Identifier: Apache-2.0
// When to stop: after `patience` rounds in a row without a strictly better score, as the library's Python callback
// does. A score that is not a number is never better; when it is the first, nothing is better than it.
#pragma once

namespace clary::xgboost {

class EarlyStopping {
 public:
  EarlyStopping(int patience, bool maximise) : patience_(patience), maximise_(maximise) {}

  struct Verdict {
    bool better = false;
    bool stop = false;
  };
  Verdict add(int round, double score) {
    const bool better = best_round_ < 0 || (maximise_ ? score > best_score_ : score < best_score_);
    if (better) best_round_ = round, best_score_ = score;
    return {better, round - best_round_ >= patience_};
  }

  /// Goes on after a checkpoint.
  void restore(int best_round, double best_score) { best_round_ = best_round, best_score_ = best_score; }

  int best_round() const noexcept { return best_round_; }  // from 0; -1: none yet
  double best_score() const noexcept { return best_score_; }

 private:
  int patience_;
  bool maximise_;
  int best_round_ = -1;
  double best_score_ = 0;
};

}  // namespace clary::xgboost
