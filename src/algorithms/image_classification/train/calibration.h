// SPDX-License-Identifier: Apache-2.0
// What a model needs to be served in 8-bit integers: the largest values of its maps on some validation pictures.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "learning/nn/graph.h"
#include "learning/nn/parameters.h"
#include "learning/numeric/philox.h"

namespace clary::image_classification {

class Calibration {
 public:
  explicit Calibration(nn::Graph graph);

  /// A pass over the pictures begins: those of the last one are forgotten, and the same random numbers are drawn.
  void begin_pass();
  /// Keeps a random sample of the pass (the pictures may be sorted by class): Vitter's algorithm R ("Random sampling
  /// with a reservoir", ACM TOMS 11, 1985). @param pixels  [n, H, W, C]
  void add(std::span<const std::uint8_t> pixels);
  std::int64_t pictures() const;

  struct Result {
    std::map<std::string, float> largest;  // by the operation's name; empty: no pictures, or a value is not finite
    std::int64_t same = 0;                 // pictures to which int8 gives the class that float32 gives
  };
  /// On one thread; some seconds for the deepest networks.
  Result measure(const nn::Parameters& parameters) const;

 private:
  nn::Graph graph_;
  std::int64_t wanted_;
  std::int64_t seen_ = 0;
  numeric::PhiloxStream random_{0, 0};
  std::vector<std::uint8_t> pixels_;
};

}  // namespace clary::image_classification
