// SPDX-License-Identifier: Apache-2.0
// Image Classification as the shell sees it (learning/shell/algorithm.h).
#pragma once

#include <string_view>

#include "algorithms/image_classification/hyperparameters.h"
#include "algorithms/image_classification/model/model.h"
#include "algorithms/image_classification/train/trainer.h"
#include "learning/shell/descriptor.h"

namespace clary::image_classification {

struct ImageClassification {
  static constexpr std::string_view kName = "image-classification";
  static constexpr std::string_view kWhenNotFinite =
      "lower learning_rate, or start from pretrained weights (use_pretrained_model=1)";
  using Hyperparameters = image_classification::Hyperparameters;
  using Model = image_classification::Model;
  static const Schema<Hyperparameters>& schema() { return image_classification::schema(); }
  static const shell::Descriptor& descriptor();
  static Model train(const Hyperparameters& hp, shell::TrainContext& context) {
    return image_classification::train(hp, context);
  }
};

}  // namespace clary::image_classification
