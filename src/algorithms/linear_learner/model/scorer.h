// SPDX-License-Identifier: Apache-2.0
// Raw outputs of a linear model over a batch, dense or sparse. A row's outputs are the same bits whatever batch it is
// in and whether it is dense or sparse. Immutable; any number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/linear_learner/model/weights.h"
#include "formats/batch.h"
#include "learning/numeric/floats.h"

namespace clary::linear_learner {

class Scorer {
 public:
  Scorer() = default;
  explicit Scorer(const Weights& weights);

  /// [rows, K], row-major: x W + b. @param rows  as wide as the model, or sparse with columns below its width
  std::vector<float> outputs(const formats::Batch& rows) const;

 private:
  std::vector<float> one_output(const formats::Batch& rows) const;
  std::vector<float> many_outputs(const formats::Batch& rows) const;

  std::int64_t features_ = 0, outputs_ = 0;
  std::int64_t stride_ = 1;  // outputs_ padded to whole vectors, or 1 for one output
  numeric::Floats weight_;   // [D, stride]
  numeric::Floats bias_;     // [stride]
};

}  // namespace clary::linear_learner
