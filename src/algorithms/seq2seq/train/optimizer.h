// SPDX-License-Identifier: Apache-2.0
// adam, sgd (with or without momentum) and rmsprop as MXNet has them (learning/optim/update.h), over all learned
// numbers of a network; each number of the gradient is limited first. One thread calls, and lends its team. Element by
// element, so that the result does not depend on the number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/hyperparameters.h"
#include "algorithms/seq2seq/model/parameters.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/team.h"
#include "learning/optim/update.h"

namespace clary::seq2seq {

class Optimizer {
 public:
  /// The team must outlive the object.
  Optimizer(const Hyperparameters& hp, const Parameters& parameters, numeric::Team& team);
  /// Arrays as large as the parameters that the rule keeps.
  static int states(const Hyperparameters& hp);

  /// One update. @param gradient  of the batch's mean loss, parallel to parameters.values(); @param rate  of this
  /// update
  void step(Parameters& parameters, std::span<const float> gradient, double rate);

  std::int64_t steps() const { return steps_; }
  /// The rule's states, parallel to parameters.values(); empty where the rule has none.
  std::span<float> first() { return first_; }
  std::span<float> second() { return second_; }
  /// Goes on where another object was, whose first() and second() were copied.
  void restore(std::int64_t steps) { steps_ = steps; }

 private:
  /// Numbers that lie together and decay alike.
  struct Piece {
    std::int64_t offset = 0, width = 0;
    bool decays = false;
  };

  optim::Rule rule_;
  optim::Step step_;
  float weight_decay_;
  std::vector<Piece> pieces_;
  numeric::Floats first_, second_;
  std::int64_t steps_ = 0;
  numeric::Team& team_;
};

}  // namespace clary::seq2seq
