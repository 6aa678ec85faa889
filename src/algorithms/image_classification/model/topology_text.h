// SPDX-License-Identifier: Apache-2.0
// A network's topology in the JSON of model.json and of safetensors' metadata.
#pragma once

#include "algorithms/image_classification/model/resnet.h"
#include "base/json.h"

namespace clary::image_classification {

inline constexpr const char* kTopologyKey = "topology";

/// {"order": "pre-activation", "projection": "every-stage", "stride_in_first_convolution": false, "epsilon": 2e-05}
Json topology_json(const Topology& topology);

/// @throws Error{kMalformed}
Topology topology_of(const Json& json);

}  // namespace clary::image_classification
