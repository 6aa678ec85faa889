// SPDX-License-Identifier: Apache-2.0
// The two matrices while they are learned: rows padded to whole vectors. Afterwards the padding is squeezed out in
// place.
#pragma once

#include <cstdint>

#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/model/matrix.h"
#include "learning/numeric/matrix.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

struct TrainingMatrix : numeric::PaddedMatrix {
  using PaddedMatrix::PaddedMatrix;
  /// All zero. The team's threads share the work of getting the memory from the system.
  TrainingMatrix(std::int64_t rows, std::int64_t columns, numeric::Team& team);
  /// Memory for so many rows that is not touched: the first user of a row fills it. `rows` is to be set to those in
  /// use.
  static TrainingMatrix untouched(std::int64_t rows, std::int64_t columns);

  /// Every row uniform in (-bound, bound): row r from stream r of the seed, whatever the team.
  void fill_uniform(float bound, std::uint64_t seed, numeric::Team& team);
  void fill_row_uniform(std::int64_t r, float bound, std::uint64_t seed, std::uint64_t stream);
  void fill_row_zero(std::int64_t r);

  /// Gives the values of all rows away without padding; no second copy is made.
  Matrix take();
};

}  // namespace clary::blazingtext
