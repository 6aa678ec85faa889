// SPDX-License-Identifier: Apache-2.0
// NTM as the shell sees it (learning/shell/algorithm.h).
#pragma once

#include <string_view>

#include "algorithms/ntm/hyperparameters.h"
#include "algorithms/ntm/model/model.h"
#include "algorithms/ntm/train/trainer.h"
#include "learning/shell/descriptor.h"

namespace clary::ntm {

struct Ntm {
  static constexpr std::string_view kName = "ntm";
  static constexpr std::string_view kWhenNotFinite =
      "lower learning_rate, scale the word counts down, or use encoder_layers_activation sigmoid or tanh, whose "
      "outputs "
      "are bounded";
  using Hyperparameters = ntm::Hyperparameters;
  using Model = ntm::Model;
  static const Schema<Hyperparameters>& schema() { return ntm::schema(); }
  static const shell::Descriptor& descriptor();
  static Model train(const Hyperparameters& hp, shell::TrainContext& context) { return ntm::train(hp, context); }
};

}  // namespace clary::ntm
