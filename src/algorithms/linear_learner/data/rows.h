// SPDX-License-Identifier: Apache-2.0
// Scaled rows in memory, as the kernels take them: dense with padded rows, or CSR. N rows, D features.
#pragma once

#include <cstdint>
#include <vector>

#include "learning/numeric/floats.h"

namespace clary::linear_learner {

using numeric::Floats;

/// Dense: values [N, stride], zeros behind column D. Sparse: row r is columns/values[offsets[r] .. offsets[r + 1]).
struct Rows {
  bool sparse = false;
  std::int64_t features = 0;  // D
  std::int64_t rows = 0;      // N
  std::int64_t stride = 0;    // dense: padded(D)
  Floats values;
  std::vector<std::int32_t> columns;
  std::vector<std::int64_t> offsets;
  std::vector<float> labels;

  const float* row(std::int64_t r) const { return values.data() + r * stride; }
};

/// A mini-batch of sparse rows turned around: for each column that occurs in it, the rows (counted from the batch's
/// first) and values. Columns that the scaler shifts are always listed, for their gradient is never zero.
struct ColumnIndex {
  std::vector<std::int32_t> columns;  // strictly ascending
  std::vector<std::int64_t> offsets;  // columns + 1
  std::vector<std::int32_t> rows;
  Floats values;
};

/// @param always  columns to list whatever the rows hold, ascending
/// @param scratch  the caller's, so that it is allocated once
ColumnIndex index_columns(const Rows& rows, std::int64_t begin, std::int64_t end,
                          const std::vector<std::int32_t>& always, std::vector<std::int64_t>& scratch);

/// The columns alone, as one candidate with one output needs them: its gradient is scattered row by row.
std::vector<std::int32_t> list_columns(const Rows& rows, std::int64_t begin, std::int64_t end,
                                       const std::vector<std::int32_t>& always);

}  // namespace clary::linear_learner
