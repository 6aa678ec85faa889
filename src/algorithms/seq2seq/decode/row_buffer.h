// SPDX-License-Identifier: Apache-2.0
// Rows of numbers whose count changes from step to step: the states of a search's hypotheses. Internal to decode/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "learning/numeric/floats.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

class RowBuffer {
 public:
  RowBuffer() = default;
  explicit RowBuffer(std::int64_t width) : width_(width) {}

  std::int64_t width() const { return width_; }
  /// Memory for so many rows; what it held is lost where it grows.
  void reserve(std::int64_t rows) {
    if (numeric::at(rows * width_) > values_.size()) values_.resize(numeric::at(rows * width_));
  }
  void zero() { std::fill(values_.begin(), values_.end(), 0.0F); }
  float* row(std::int64_t r) { return values_.data() + r * width_; }
  const float* row(std::int64_t r) const { return values_.data() + r * width_; }

  /// Row r becomes what row parents[r] was.
  void select(std::span<const std::int32_t> parents) {
    spare_.resize(std::max(values_.size(), parents.size() * numeric::at(width_)));
    float* to = spare_.data();
    for (const std::int32_t parent : parents) to = std::copy_n(row(parent), width_, to);
    values_.swap(spare_);
  }

 private:
  std::int64_t width_ = 0;
  numeric::UntouchedFloats values_, spare_;
};

}  // namespace clary::seq2seq
