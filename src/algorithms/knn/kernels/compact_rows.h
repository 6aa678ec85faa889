// SPDX-License-Identifier: Apache-2.0
// An 8-bit copy of the stored vectors, read first by an exact search: a quarter of the bytes. It only rules rows out,
// with a bound that cannot be wrong; what is left is measured on the float32 rows. Built when an index is loaded, never
// stored.
//
// Row x is kept as x~ with x~[j] = origin[j] + step[j] * code[j], together with e = ||x - x~|| (rounded up).
//   L2:            ||q - x|| >= ||q - x~|| - e   (triangle inequality), so x can be within r of q only if
//                  ||q - x~||^2 <= (r + e)^2
//   inner product: q.x <= q.x~ + ||q|| e         (Cauchy-Schwarz)
// q.x~ needs sum_j w[j] code[j] with w[j] = q[j] step[j], or (q[j] - origin[j]) step[j] for L2; w is rounded to 15-bit
// integers, so the sum is exact in int32 and what the rounding of w can change is added to the limit, as are bounds for
// every float32 rounding, those of the exact kernels included.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "algorithms/knn/kernels/kernels.h"
#include "learning/numeric/team.h"

namespace clary::knn {

class CompactRows {
 public:
  /// Nothing when the copy cannot serve: values too large for the error bounds (or not finite), more than kMaxWidth
  /// columns, or a CPU without an 8-bit dot product.
  static std::optional<CompactRows> make(const float* rows, std::int64_t count, std::int64_t width,
                                         numeric::Team& pool);

  /// One query made ready.
  class Query {
   public:
    Query() = default;
    Query(Query&&) = default;  // code_ points into weights_, whose storage moves along
    Query& operator=(Query&&) = default;

    /// The query with the limit that belongs to `worst`: the k-th best cost so far (squared L2, or minus the inner
    /// product), +inf while fewer than k are known. Valid as long as this object.
    CodeQuery limited(float worst) const;

    /// False when the query's own values are too large for the bounds: then search without the copy.
    bool usable = false;

   private:
    friend class CompactRows;
    CodeQuery code_;
    std::vector<std::int8_t> weights_;
    bool l2_ = true;
    double slack_ = 0;  // what rounding can change in the estimate, absolute
    double norm_ = 0;   // ||q||
    std::int64_t width_ = 0;
  };
  Query prepare(const float* query, bool l2) const;

  CodeBlocks blocks_from(std::int64_t block) const;
  std::int64_t blocks() const noexcept { return blocks_; }
  std::uint64_t bytes() const noexcept;

  static constexpr std::int64_t kMaxWidth = 60000;  // 255 * 128 * width < 2^31
  static constexpr double kMaxMagnitude = 1e15;     // squares and their sums stay far from float32's end

 private:
  CompactRows(std::int64_t count, std::int64_t width);
  void encode_block(const float* rows, std::int64_t count, std::int64_t block);

  std::int64_t width_, groups_, blocks_;
  std::vector<float> origin_, step_;
  std::vector<std::uint8_t> codes_;
  std::vector<float> norms_;   // sum_j (step[j] code[j])^2
  std::vector<float> errors_;  // ||x - x~||, rounded up
  double largest_norm_ = 0;    // bounds of the whole copy, for the rounding terms
  double largest_row_ = 0;
};

}  // namespace clary::knn
