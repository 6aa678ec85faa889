// SPDX-License-Identifier: Apache-2.0
// Linear Learner as the shell sees it (learning/shell/algorithm.h).
#pragma once

#include <string_view>

#include "algorithms/linear_learner/hyperparameters.h"
#include "algorithms/linear_learner/model/model.h"
#include "algorithms/linear_learner/train/trainer.h"
#include "learning/shell/descriptor.h"

namespace clary::linear_learner {

const shell::Descriptor& descriptor();

struct LinearLearner {
  static constexpr std::string_view kName = "linear-learner";
  static constexpr std::string_view kWhenNotFinite =
      "lower learning_rate, raise wd, or scale features and labels: weights are float32, up to 3.4e38";
  using Hyperparameters = linear_learner::Hyperparameters;
  using Model = linear_learner::Model;
  static const Schema<Hyperparameters>& schema() { return linear_learner::schema(); }
  static const shell::Descriptor& descriptor() { return linear_learner::descriptor(); }
  static Model train(const Hyperparameters& hp, shell::TrainContext& context) {
    return linear_learner::train(hp, context);
  }
};

}  // namespace clary::linear_learner
