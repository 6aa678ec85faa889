// SPDX-License-Identifier: Apache-2.0
// What happens to a row between the data and the index, the same for stored rows and queries: projection, zeros up to
// the index's width, division by the L2 norm (COSINE). Immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "algorithms/knn/data/vectors.h"
#include "algorithms/knn/model/projection.h"
#include "learning/numeric/team.h"

namespace clary::knn {

class Preparation {
 public:
  /// @param index_width  at least what the projection (or, without one, a row) has; more is padded with zeros
  Preparation(std::optional<Projection> projection, std::int64_t index_width, bool normalize)
      : projection_(std::move(projection)), index_width_(index_width), normalize_(normalize) {}

  const std::optional<Projection>& projection() const noexcept { return projection_; }
  std::int64_t index_width() const noexcept { return index_width_; }
  bool normalize() const noexcept { return normalize_; }

  Vectors apply(Vectors rows, numeric::Team& pool) const;

 private:
  std::optional<Projection> projection_;
  std::int64_t index_width_;
  bool normalize_;
};

/// Divides each row by its L2 norm (summed in float64); rows of zeros stay.
void normalize_rows(Vectors& rows, numeric::Team& pool);

/// The next multiple of `of` that is at least `value`.
constexpr std::int64_t next_multiple(std::int64_t value, std::int64_t of) { return (value + of - 1) / of * of; }

}  // namespace clary::knn
