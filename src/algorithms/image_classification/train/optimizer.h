// SPDX-License-Identifier: Apache-2.0
// sgd with momentum, nag, adam and rmsprop as MXNet 1.3 has them (learning/optim/update.h), over all learned numbers of
// a network. Weight decay applies to weights and gammas only, and for sgd and nag only.
// One thread calls; the work is divided over the threads of the object. Element by element, so that the result does not
// depend on their number.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/image_classification/hyperparameters.h"
#include "learning/nn/parameters.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/team.h"
#include "learning/optim/update.h"

namespace clary::image_classification {

class Optimizer {
 public:
  Optimizer(const Hyperparameters& hp, const nn::Parameters& parameters, int threads);

  /// One update. @param gradient  of the batch's mean loss, parallel to parameters.values(); @param rate  of this epoch
  void step(nn::Parameters& parameters, std::span<const float> gradient, double rate);

  std::int64_t steps() const { return steps_; }
  /// The rule's state, parallel to parameters.values(); the second is empty but for adam.
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
  double beta_1_ = 0, beta_2_ = 0;  // adam
  float weight_decay_ = 0;
  std::vector<Piece> pieces_;
  numeric::Floats first_, second_;
  std::int64_t steps_ = 0;
  numeric::Team team_;
};

}  // namespace clary::image_classification
