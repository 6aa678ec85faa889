// SPDX-License-Identifier: Apache-2.0
// Exact nearest neighbours by reading every stored vector. The answer is a function of rows and query alone: the same
// bits for any number of threads, for a query alone or in a batch, with the 8-bit copy (compact_rows.h) or without.
// Among equal distances the smaller id wins under L2; under inner product it is faiss's rule (flat_search.cpp) too.
#pragma once

#include <cstdint>
#include <optional>

#include "algorithms/knn/kernels/compact_rows.h"
#include "learning/numeric/team.h"

namespace clary::knn {

class FlatSearch {
 public:
  enum class Copy { kAuto, kNever };

  /// `rows` [count, width] stay the caller's and must outlive this; so must the pool.
  FlatSearch(const float* rows, std::int64_t count, std::int64_t width, bool l2, numeric::Team& pool,
             Copy copy = Copy::kAuto);

  /// Best first: smallest squared L2, or largest inner product. Thread safe.
  /// @param k  1 .. count
  /// @param distances, ids  [queries, k]; id -1 where the rest of the distances is NaN (inner products that overflow)
  void search(const float* queries, std::int64_t count, std::int64_t k, float* distances, std::int64_t* ids) const;

  bool has_copy() const noexcept { return compact_.has_value(); }

 private:
  class Task;
  const float* rows_;
  std::int64_t count_, width_;
  bool l2_;
  numeric::Team& pool_;
  std::optional<CompactRows> compact_;
};

}  // namespace clary::knn
