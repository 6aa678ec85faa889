// SPDX-License-Identifier: Apache-2.0
// The two matrices while they are learned: rows padded to whole vectors. Afterwards the padding is squeezed out in
// place.
#pragma once

#include <cstdint>

#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/matrix.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

struct TrainingMatrix {
  std::int64_t rows = 0, columns = 0, stride = 0;
  numeric::Floats values;  // [rows, stride], zeros behind each row's columns

  TrainingMatrix() = default;
  /// All zero. The team's threads share the work of getting the memory from the system.
  TrainingMatrix(std::int64_t rows, std::int64_t columns, numeric::Team& team);
  TrainingMatrix(std::int64_t rows, std::int64_t columns);

  float* row(std::int64_t r) { return values.data() + r * stride; }
  const float* row(std::int64_t r) const { return values.data() + r * stride; }

  /// Uniform in (-bound, bound). The numbers depend on the seed alone, not on the team.
  void fill_uniform(float bound, std::uint64_t seed, numeric::Team& team);

  /// Gives the values away without padding; no second copy is made.
  Matrix take();
};

}  // namespace clary::blazingtext
