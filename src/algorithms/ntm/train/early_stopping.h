// SPDX-License-Identifier: Apache-2.0
// When to stop, exactly as AWS's NTM does (ntm.md section 1.7, verified there against two real logs). Two things differ
// from AWS's own words: `tolerance` is an absolute difference of losses, and training stops when the count of bad
// epochs exceeds the patience, that is after patience + 1 of them in a row.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace clary::ntm {

class EarlyStopping {
 public:
  /// @param warm_up  epochs at the start that are never counted as bad (0: AWS's behaviour)
  EarlyStopping(std::int64_t patience, double tolerance, std::int64_t warm_up = 0)
      : patience_(patience), tolerance_(tolerance), warm_up_(warm_up) {}

  struct Verdict {
    bool compared = false;         // enough epochs have passed
    std::vector<double> previous;  // the last `patience` losses
    double minimum = 0;            // of them
    double difference = 0;         // |minimum - loss|
    bool bad = false;              // did not improve by `tolerance`
    std::int64_t bad_count = 0;
    bool stop = false;
    bool best = false;  // lowest loss so far: keep these parameters
  };

  /// One epoch's monitored loss.
  Verdict add(double loss);

  double best_loss() const { return best_loss_; }
  std::int64_t best_epoch() const { return best_epoch_; }  // from 1; 0: none
  std::int64_t bad_count() const { return bad_count_; }
  const std::vector<double>& history() const { return history_; }
  /// Replays a checkpoint's history.
  void restore(const std::vector<double>& history) {
    for (const double loss : history) add(loss);
  }

 private:
  std::int64_t patience_;
  double tolerance_;
  std::int64_t warm_up_;
  std::vector<double> history_;
  std::int64_t bad_count_ = 0;
  double best_loss_ = std::numeric_limits<double>::infinity();
  std::int64_t best_epoch_ = 0;
};

}  // namespace clary::ntm
