// SPDX-License-Identifier: Apache-2.0
// The five optimizers in MXNet 1.3.1's update order (README.md, "Optimizers"). The embedding is updated by row: only
// words of the batch have a gradient. What the rule does to the other rows meanwhile (decay of running averages, weight
// decay, Adam's steps from old momentum) is made up exactly when a row is next read: before a forward pass that uses it
// (catch_up) or before anybody reads the whole matrix (flush).
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/ntm/kernels/kernels.h"
#include "algorithms/ntm/model/encoder.h"
#include "algorithms/ntm/model/parameters.h"
#include "learning/numeric/team.h"
#include "learning/optim/update.h"

namespace clary::ntm {

struct OptimizerOptions {
  optim::Rule rule = optim::Rule::kAdadelta;
  float learning_rate = 0.01f;
  float rescale_gradient = 1;
  float clip_gradient = 0;  // <= 0: none
  float weight_decay = 0;
};

class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, const Parameters& p);

  /// Brings thread t's embedding rows of `index` to the present. Call on every thread before the forward pass.
  void catch_up(int thread, Parameters& p, const WordIndex& index);

  /// One step for everything. @param gradient  dense gradients; the embedding's are in `index`
  void step(Parameters& p, const Parameters& gradient, const WordIndex& index, Team& team);

  /// Brings all embedding rows to the present.
  void flush(Parameters& p, Team& team);

  /// False when rows without gradient keep their weights whatever the steps (their state may still decay).
  bool moves_idle_rows() const;

  std::int64_t steps() const { return steps_; }

  /// Everything a resumed job needs; two states and the step count. Order and layout are the matrices'.
  struct State {
    std::int64_t steps = 0;
    Parameters first, second;
    std::vector<std::int64_t> row_steps;
  };
  const State& state() const { return state_; }
  void restore(State state);

 private:
  optim::Step step_at(std::int64_t step) const;
  void catch_up_row(Parameters& p, std::int64_t row, std::int64_t target);
  void step_rows(int thread, Parameters& p, const WordIndex& index);

  OptimizerOptions options_;
  std::int64_t steps_ = 0;
  State state_;
};

}  // namespace clary::ntm
