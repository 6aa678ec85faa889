// SPDX-License-Identifier: Apache-2.0
// A network's numbers under the names that files have: spans of nn::Parameters, and ones where a gamma is fixed, which
// has no parameter.
#pragma once

#include <string>
#include <vector>

#include "learning/artifact/tensor_file.h"
#include "learning/nn/graph.h"
#include "learning/nn/parameters.h"

namespace clary::image_classification {

enum class Prefix {
  kNone,  // "conv0_weight"
  kMxnet  // "arg:conv0_weight" for what is learned, "aux:bn0_moving_mean" for statistics
};

/// Refers to `parameters`, which must outlive it.
class NamedParameters {
 public:
  NamedParameters(const nn::Graph& graph, const nn::Parameters& parameters, Prefix prefix);
  NamedParameters(const NamedParameters&) = delete;
  NamedParameters& operator=(const NamedParameters&) = delete;

  const std::vector<artifact::ArrayRef>& list() const { return list_; }

 private:
  std::vector<artifact::ArrayRef> list_;
  std::vector<std::vector<float>> ones_;
};

}  // namespace clary::image_classification
