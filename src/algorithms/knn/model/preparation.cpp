// SPDX-License-Identifier: Apache-2.0
// See preparation.h.
#include "algorithms/knn/model/preparation.h"

#include <algorithm>
#include <cmath>

namespace clary::knn {
namespace {

constexpr std::int64_t kRowsPerUnit = 4096;

}  // namespace

// The order matters and must be the same for rows and queries: reduce, pad to the index's width, then scale to length
// one.
Vectors Preparation::apply(Vectors rows, numeric::Team& pool) const {
  if (projection_) {
    Vectors reduced(rows.rows(), projection_->target());
    projection_->apply(rows.data(), rows.rows(), reduced.data(), pool);
    rows = std::move(reduced);
  }
  // Zeros change neither distances nor inner products.
  if (rows.width() < index_width_) {
    Vectors padded(rows.rows(), index_width_);
    for (std::int64_t r = 0; r < rows.rows(); ++r) {
      std::copy_n(rows.row(r), rows.width(), padded.row(r));
    }
    rows = std::move(padded);
  }
  if (normalize_) normalize_rows(rows, pool);
  return rows;
}

void normalize_rows(Vectors& rows, numeric::Team& pool) {
  pool.run_units((rows.rows() + kRowsPerUnit - 1) / kRowsPerUnit, [&](std::int64_t unit) {
    const std::int64_t end = std::min(rows.rows(), (unit + 1) * kRowsPerUnit);
    for (std::int64_t r = unit * kRowsPerUnit; r < end; ++r) {
      float* row = rows.row(r);
      double sum = 0;
      for (std::int64_t j = 0; j < rows.width(); ++j) sum += static_cast<double>(row[j]) * row[j];
      // A row of zeros has no direction; it stays as it is, with similarity 0 to everything.
      if (sum == 0) continue;
      const double scale = 1 / std::sqrt(sum);
      for (std::int64_t j = 0; j < rows.width(); ++j) row[j] = static_cast<float>(row[j] * scale);
    }
  });
}

}  // namespace clary::knn
