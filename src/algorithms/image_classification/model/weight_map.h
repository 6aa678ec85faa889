// SPDX-License-Identifier: Apache-2.0
// Which array of a foreign file belongs to which parameter of a network, and how the numbers get there.
#pragma once

#include <map>
#include <set>
#include <string>

#include "learning/artifact/tensor_file.h"
#include "learning/nn/graph.h"
#include "learning/nn/parameters.h"

namespace clary::image_classification {

struct WeightMap {
  /// By parameter name, without prefix; also "bn_data_gamma", which is no parameter. The views must outlive the map.
  std::map<std::string, const artifact::TensorView*> arrays;
  /// Batch norms that the file has merged into the convolution before them: their beta is the convolution's bias.
  std::set<std::string> merged;
  /// Epsilons of batch norms that differ from the network's.
  std::map<std::string, float> epsilons;
  /// The file's network reads (x/255 - mean) / std per channel (ImageNet's), not bytes of 0..255: bn_data does that.
  bool normalised_input = false;
};

/// Takes every parameter of the graph from the file. A batch norm bn_data that the file lacks lets its input through.
/// @param with_head  false: the last layer keeps its numbers
/// @return how many arrays were taken
/// @throws Error{kMalformed} naming the array that is missing or has another shape
int fill(const WeightMap& map, const nn::Graph& graph, nn::Parameters& parameters, bool with_head);

}  // namespace clary::image_classification
