// SPDX-License-Identifier: Apache-2.0
// use_weighted_loss: factors by which labels that are rare weigh more, for pictures with several labels. Over the
// training pictures, a class with P labels of 1 and N of 0, n = P + N: n / (2 P) for its ones, n / (2 N) for its zeros,
// each at least 0.01 and at most 100, and 1 when there are none.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "learning/collective/collective.h"

namespace clary::image_classification {

struct ClassWeights {
  std::vector<float> negative, positive;  // by class
};

class LabelCounts {
 public:
  explicit LabelCounts(std::int64_t classes) : ones_(static_cast<std::size_t>(classes)) {}

  /// @param labels  [pictures, classes] of 0 and 1
  void add(std::int64_t pictures, std::span<const float> labels);
  /// Of all hosts. A collective call.
  void merge(collective::Collective& hosts);
  ClassWeights weights() const;

 private:
  double pictures_ = 0;
  std::vector<double> ones_;
};

}  // namespace clary::image_classification
