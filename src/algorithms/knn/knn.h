// SPDX-License-Identifier: Apache-2.0
// k-NN as the shell sees it.
#pragma once

#include <string_view>

#include "algorithms/knn/hyperparameters.h"
#include "algorithms/knn/model/model.h"
#include "algorithms/knn/train/trainer.h"
#include "learning/shell/descriptor.h"

namespace clary::knn {

struct Knn {
  static constexpr std::string_view kName = "knn";
  static constexpr std::string_view kWhenNotFinite =
      "scale the features down: rows, their projections and centroids are float32, up to 3.4e38";
  using Hyperparameters = knn::Hyperparameters;
  using Model = knn::Model;
  static const Schema<Hyperparameters>& schema() { return knn::schema(); }
  static const shell::Descriptor& descriptor();
  static Model train(const Hyperparameters& hp, shell::TrainContext& context) { return knn::train(hp, context); }
};

}  // namespace clary::knn
