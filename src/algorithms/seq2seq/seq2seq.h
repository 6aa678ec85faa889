// SPDX-License-Identifier: Apache-2.0
// Seq2Seq as the shell sees it (learning/shell/algorithm.h).
#pragma once

#include <string_view>

#include "algorithms/seq2seq/hyperparameters.h"
#include "algorithms/seq2seq/model/model.h"
#include "algorithms/seq2seq/train/trainer.h"
#include "learning/shell/descriptor.h"

namespace clary::seq2seq {

struct Seq2Seq {
  static constexpr std::string_view kName = "seq2seq";
  static constexpr std::string_view kWhenNotFinite = "lower learning_rate, or set clip_gradient to a positive number";
  using Hyperparameters = seq2seq::Hyperparameters;
  using Model = seq2seq::Model;
  static const Schema<Hyperparameters>& schema() { return seq2seq::schema(); }
  static const shell::Descriptor& descriptor();
  static Model train(const Hyperparameters& hp, shell::TrainContext& context) { return seq2seq::train(hp, context); }
};

}  // namespace clary::seq2seq
