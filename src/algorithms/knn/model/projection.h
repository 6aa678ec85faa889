// SPDX-License-Identifier: Apache-2.0
// Random linear maps that keep L2 distances and inner products in expectation. A pure function of (type, seed, input
// width, target width): all that the artifact stores. Immutable; any thread.
//   sign  y = x R, R[j][c] = +-1 / sqrt(t). R's sign is + where bit i % 128 of Philox block i / 128 of stream 1 is 1,
//   with
//         i = j t + c and bits counted from the lowest of word 0.
//   fjlt  y = S H D x / sqrt(t), x padded with zeros to P = the next power of two, D random signs (bit j of stream 2,
//   as
//         above), H the Walsh-Hadamard matrix of +-1, S the first t of a Fisher-Yates shuffle of 0 .. P - 1 by
//         stream 3. (Ailon, Chazelle, "The Fast Johnson-Lindenstrauss Transform", 2009; here with sampling instead of a
//         sparse matrix.)
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "algorithms/knn/hyperparameters.h"
#include "learning/numeric/team.h"

namespace clary::knn {

class Projection {
 public:
  /// Name of the generator, in the artifact's metadata.
  static constexpr std::string_view kGenerator = "philox4x32-10";
  static constexpr std::int64_t kMaxWidth = 1 << 24;
  static constexpr std::int64_t kMaxMatrix = 1LL << 28;  // input x target of `sign`: 1 GiB

  /// @throws Error{kInvalid} for widths below 1 or beyond the limits, or fjlt to more than P dimensions
  Projection(Reduction type, std::uint64_t seed, std::int64_t input, std::int64_t target);

  Reduction type() const noexcept { return type_; }
  std::uint64_t seed() const noexcept { return seed_; }
  std::int64_t input() const noexcept { return input_; }
  std::int64_t target() const noexcept { return target_; }

  /// rows [n, input] to out [n, target]. The result for a row does not depend on the others.
  void apply(const float* rows, std::int64_t count, float* out, numeric::Team& pool) const;

 private:
  void apply_sign(const float* row, float* out) const;
  void apply_fjlt(const float* row, float* out, std::vector<float>& scratch) const;

  Reduction type_;
  std::uint64_t seed_;
  std::int64_t input_, target_, padded_ = 0;
  std::vector<float> matrix_;         // sign: [input, target]
  std::vector<float> signs_;          // fjlt: [input]
  std::vector<std::int64_t> chosen_;  // fjlt: [target]
};

}  // namespace clary::knn
