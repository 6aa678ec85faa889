// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/start.h"

#include <fmt/format.h>

#include "base/error.h"

namespace clary::image_classification {

Start random_start(const Hyperparameters& hp, std::uint64_t seed) {
  Start out;
  out.description = {.layers = hp.num_layers, .image = hp.image(), .classes = hp.num_classes};
  out.parameters = nn::Parameters(resnet(out.description));
  out.parameters.initialise(seed);
  return out;
}

}  // namespace clary::image_classification
