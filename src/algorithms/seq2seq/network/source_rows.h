// SPDX-License-Identifier: Apache-2.0
// The encoder's output as attention reads it: the positions of a pair side by side, without padding. (Time-major, the
// positions of a pair would lie a multiple of some KiB apart and push each other out of the caches.)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/network/parts.h"
#include "algorithms/seq2seq/network/products.h"

namespace clary::seq2seq {

class SourceRows {
 public:
  /// @param encoded  [S * B, width], time-major
  void assign(const Pass& pass, std::span<const float> encoded, std::int64_t width);
  void zero_gradient();
  /// @param encoded_gradient  [S * B, width]: overwritten
  void scatter_gradient(const Pass& pass, std::span<float> encoded_gradient) const;

  std::int64_t length(std::int64_t pair) const { return first(pair + 1) - first(pair); }
  /// Row of the pair's first position.
  std::int64_t first(std::int64_t pair) const { return first_[static_cast<std::size_t>(pair)]; }
  std::int64_t last(std::int64_t pair) const { return first(pair + 1) - 1; }

  Matrix values, gradient;  // [sum of lengths, width]

 private:
  std::vector<std::int64_t> first_;  // [B + 1]
};

}  // namespace clary::seq2seq
