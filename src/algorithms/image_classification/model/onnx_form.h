// SPDX-License-Identifier: Apache-2.0
// A network as an ONNX model, written; and the weights of an ONNX model of a residual network, found by the structure
// of its graph, whatever the names (PyTorch's exporter merges batch norms into convolutions, MXNet's numbers them).
#pragma once

#include <optional>

#include "algorithms/image_classification/model/resnet.h"
#include "algorithms/image_classification/model/weight_map.h"
#include "learning/artifact/onnx_file.h"
#include "learning/nn/graph.h"
#include "learning/nn/network.h"
#include "learning/nn/parameters.h"

namespace clary::image_classification {

/// Input "data" [batch, C, H, W], raw values of 0..255; output "probabilities" [batch, classes]; the values before are
/// those of the node named as the last layer. Opset 12.
void write_onnx(const nn::Graph& graph, const nn::Parameters& parameters, nn::Loss loss,
                const artifact::ByteSink& sink);

struct OnnxMatch {
  Topology topology;
  WeightMap weights;  // views into the model
  std::int64_t classes = 0;
};

/// Nothing when the model's graph is no residual network of that depth.
/// @param description  layers and image; its topology and classes are not used
std::optional<OnnxMatch> match_onnx(const artifact::OnnxModel& model, const Description& description);

}  // namespace clary::image_classification
