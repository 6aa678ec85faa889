// SPDX-License-Identifier: Apache-2.0
// A network as the service's files describe it: image-classification-symbol.json (MXNet's graph) and model-shapes.json,
// written and read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "algorithms/image_classification/model/resnet.h"
#include "learning/artifact/symbol_graph.h"
#include "learning/nn/graph.h"
#include "learning/nn/network.h"

namespace clary::image_classification {

/// The symbol, node by node as MXNet's symbols/resnet.py makes it (resnet-v1.py for post-activation networks). Its
/// output is SoftmaxOutput, or LogisticRegressionOutput for several labels.
std::string symbol_json(const nn::Graph& graph, nn::Loss loss);

struct DescribedSymbol {
  Description description;
  nn::Loss loss = nn::Loss::kSoftmax;
};

/// The network of a symbol, by its operations and how they are connected; the last layer may have any name.
/// @param image  what it reads (model-shapes.json)
/// @throws Error{kMalformed} naming the first operation that none of resnet()'s networks has
DescribedSymbol describe_symbol(const artifact::Symbol& symbol, nn::MapShape image);

/// The file's exact bytes: [{"shape": [32, 3, 224, 224], "name": "data"}]
std::string model_shapes(std::int64_t batch, const nn::MapShape& image);

/// The shape of the last entry. @throws Error{kMalformed}
nn::MapShape read_model_shapes(std::string_view text);

}  // namespace clary::image_classification
