// SPDX-License-Identifier: Apache-2.0
// The residual networks of this algorithm as graphs (learning/nn/graph.h).
//   He, Zhang, Ren, Sun: "Identity mappings in deep residual networks", ECCV 2016 (pre-activation), and "Deep residual
//   learning for image recognition", CVPR 2016 (post-activation, only for imported weights); stages and widths as in
//   MXNet 1.3's example/image-classification/symbols/resnet.py.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "learning/nn/graph.h"

namespace clary::image_classification {

/// Where published weights of the same depth differ from each other.
struct Topology {
  enum class Order { kPreActivation, kPostActivation };
  enum class Projection {
    kEveryStage,        // unit 1 of each stage has a 1x1 convolution as its shortcut (MXNet's examples)
    kWhereShapeChanges  // unit 1 has one only where width or stride changes (Gluon v2, torchvision)
  };
  Order order = Order::kPreActivation;
  Projection projection = Projection::kEveryStage;
  bool stride_in_first_convolution = false;  // of a bottleneck: 1x1 (MXNet v1) instead of 3x3
  float epsilon = 2e-5F;                     // of every batch norm
  bool operator==(const Topology&) const = default;
};

struct Description {
  std::int64_t layers = 152;
  nn::MapShape image{3, 224, 224};
  std::int64_t classes = 0;
  Topology topology{};
  std::string head = "fc1";  // name of the last layer in files
  bool operator==(const Description&) const = default;
};

struct Stages {
  bool bottleneck = false;
  std::int64_t stem_width = 64;
  std::vector<std::int64_t> widths, units;
};

/// Depths 20, 32, 44, 56, 110: three stages; 18 .. 200: four, but three where H <= 28 and the depth is that of the
/// small family's bottlenecks (50, 152, 200), as MXNet chooses.
/// @throws Error{kInvalid} "no experiments done on num_layers L" for any other depth
Stages stages_of(std::int64_t layers, std::int64_t height);

/// Names are MXNet's: bn_data, conv0, bn0, stage1_unit1_conv1, ..., bn1, fc1. A projection is stage1_unit1_sc; in
/// post-activation networks stage1_unit1_conv1sc, followed by its batch norm stage1_unit1_sc (MXNet's resnet-v1.py).
nn::Graph resnet(const Description& description);

}  // namespace clary::image_classification
