// SPDX-License-Identifier: Apache-2.0
// What a training begins from: random weights, those of another data set (use_pretrained_model), or a finished model
// (channel `model`).
#pragma once

#include <string>
#include <vector>

#include "algorithms/image_classification/hyperparameters.h"
#include "algorithms/image_classification/model/resnet.h"
#include "learning/nn/parameters.h"
#include "learning/shell/train_context.h"

namespace clary::image_classification {

inline constexpr const char* kModelChannel = "model";
inline constexpr const char* kPretrainedChannel = "pretrained";

struct Start {
  Description description;
  nn::Parameters parameters;
  std::vector<std::string> class_names{};  // of the model channel
};

/// @throws Error{kInvalid} when the model channel's network is another than the job's, naming both; when no pretrained
/// weights are found, naming what was looked for and where
Start starting_point(const Hyperparameters& hp, shell::TrainContext& context);

/// Random weights.
Start random_start(const Hyperparameters& hp, std::uint64_t seed);

}  // namespace clary::image_classification
