// SPDX-License-Identifier: Apache-2.0
// The weights that supervised training goes back to when it stops early.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/blazingtext/train/weights.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

/// A copy of matrices, made by all threads of a team.
class BestWeights {
 public:
  BestWeights(std::vector<TrainingMatrix*> matrices, numeric::Team& team)
      : matrices_(std::move(matrices)), team_(team) {}
  void keep();
  /// Puts back what was kept last; nothing when nothing was.
  void restore();

 private:
  void copy(float* to, const float* from, std::size_t size);

  std::vector<TrainingMatrix*> matrices_;
  numeric::Team& team_;
  std::vector<numeric::UntouchedFloats> kept_;
};

}  // namespace clary::blazingtext
