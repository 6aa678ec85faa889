// SPDX-License-Identifier: Apache-2.0
// BlazingText as the shell sees it (learning/shell/algorithm.h).
#pragma once

#include <string_view>

#include "algorithms/blazingtext/hyperparameters.h"
#include "algorithms/blazingtext/model/model.h"
#include "algorithms/blazingtext/train/trainer.h"
#include "learning/shell/descriptor.h"

namespace clary::blazingtext {

const shell::Descriptor& descriptor();

struct BlazingText {
  static constexpr std::string_view kName = "blazingtext";
  static constexpr std::string_view kWhenNotFinite = "lower learning_rate";
  using Hyperparameters = blazingtext::Hyperparameters;
  using Model = blazingtext::Model;
  static const Schema<Hyperparameters>& schema() { return blazingtext::schema(); }
  static const shell::Descriptor& descriptor() { return blazingtext::descriptor(); }
  static Model train(const Hyperparameters& hp, shell::TrainContext& context);
};

}  // namespace clary::blazingtext
