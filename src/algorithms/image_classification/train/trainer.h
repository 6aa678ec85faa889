// SPDX-License-Identifier: Apache-2.0
// The training job: pictures in, epochs, validation, model out. Prints what AWS's container prints.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "algorithms/image_classification/data/pictures.h"
#include "algorithms/image_classification/hyperparameters.h"
#include "algorithms/image_classification/model/model.h"
#include "algorithms/image_classification/train/start.h"
#include "learning/shell/train_context.h"

namespace clary::image_classification {

struct Data {
  std::unique_ptr<Pictures> train, validation;
};

/// @throws Error{kInvalid, kMalformed, kLimit} for the user's mistakes
Model train(const Hyperparameters& hp, shell::TrainContext& context);

/// On pictures that are opened and a network that is there.
/// @param memory  bytes that the maps of a batch may take; nothing: what the machine and the instance have left
Model train(const Hyperparameters& hp, shell::TrainContext& context, Data data, Start start,
            std::optional<std::int64_t> memory = std::nullopt);

}  // namespace clary::image_classification
