// SPDX-License-Identifier: Apache-2.0
// The weights of all candidates and their optimizer: one update a mini-batch. With several hosts a batch is everybody's
// next one together (gradients are summed), so all hosts hold the same weights, whatever the timing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/linear_learner/model/weights.h"
#include "algorithms/linear_learner/train/objective.h"
#include "learning/collective/collective.h"
#include "learning/optim/update.h"

namespace clary::linear_learner {

/// Initial weights: each candidate its own, the same on every host.
Parameters initial_parameters(const Lanes& lanes, std::int64_t features, const Hyperparameters& hp, std::uint64_t seed);

class Learner {
 public:
  /// Everything a resumed job needs.
  struct State {
    std::int64_t updates = 0;
    Parameters first, second;  // moments
    std::vector<double> rate;  // [M], with its cuts
  };

  Learner(Objective& objective, Parameters start, std::vector<CandidateSettings> candidates, const Hyperparameters& hp,
          Team& team, collective::Collective& hosts);

  /// One update from rows [begin, end); a host without rows left passes none and still takes part.
  /// @param index  of these rows when they are sparse and this host is alone, else null
  /// @param stop  this host was asked to stop
  /// @return rows of all hosts; 0: nobody had any, and nothing was changed
  std::int64_t step(const Rows& rows, std::int64_t begin, std::int64_t end, const ColumnIndex* index, bool stop);
  /// Some host was asked to stop, as of the last step; the same on all.
  bool stopped() const { return stopped_; }

  /// Starts a new average of the weights after each update (dense rows only), and forgets the losses summed so far.
  void begin_average();
  /// The average, or the weights themselves when there is none.
  const Parameters& averaged();

  /// Sums over the updates since begin_epoch, all hosts: loss of each candidate, and rows.
  void begin_epoch();
  const std::vector<double>& loss_sums() const { return loss_sums_; }
  std::int64_t rows_seen() const { return rows_seen_; }

  const Parameters& parameters() const { return parameters_; }
  const State& state() const { return state_; }
  void restore(Parameters parameters, State state);

 private:
  void prepare_rule(std::int64_t rows);
  std::int64_t exchange(Objective::Sums& sums, std::int64_t rows, bool with_gradient, bool stop);
  void update_weights();
  void update_columns(const ColumnIndex& index);
  void update_weights_of(const std::vector<std::int32_t>& columns);
  void update_bias(const std::vector<double>& slope);

  Objective& objective_;
  Lanes lanes_;
  Parameters parameters_;
  std::vector<CandidateSettings> candidates_;
  double bias_lr_mult_, bias_wd_mult_;
  bool use_bias_;
  Team& team_;
  collective::Collective& hosts_;
  State state_;
  optim::LaneStep rule_;
  Floats rate_, decay_, shrink_, bias_rate_, bias_decay_, zeros_;  // [block width]
  std::vector<double> loss_sums_;
  std::int64_t rows_seen_ = 0;
  Parameters average_;
  std::int64_t averaged_ = -1;  // updates in average_; below 0: no average is taken
  std::vector<Floats> column_gradient_;
  bool stopped_ = false;
};

}  // namespace clary::linear_learner
