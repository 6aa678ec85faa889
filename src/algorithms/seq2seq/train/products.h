// SPDX-License-Identifier: Apache-2.0
// Every matrix product of a training step passes through here, so that another precision or library is a change of one
// file. Row-major float32.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "learning/nn/product.h"
#include "learning/nn/recurrent.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/index.h"
#include "learning/numeric/team.h"

namespace clary::seq2seq {

/// A matrix whose memory is used again from batch to batch.
class Matrix {
 public:
  /// What it held is lost; new memory is not written to.
  void reshape(std::int64_t rows, std::int64_t width) {
    const std::size_t floats = numeric::at(rows * width);
    if (floats > values_.capacity()) values_ = numeric::UntouchedFloats();
    values_.resize(floats);
    rows_ = rows, width_ = width;
  }
  void zero() { std::fill(values_.begin(), values_.end(), 0.0F); }

  std::int64_t rows() const { return rows_; }
  std::int64_t width() const { return width_; }
  float* row(std::int64_t r) { return values_.data() + r * width_; }
  const float* row(std::int64_t r) const { return values_.data() + r * width_; }
  /// Rows from r on, columns from `column` on.
  nn::Rows<float> from(std::int64_t r, std::int64_t column = 0) { return {row(r) + column, width_}; }
  nn::Rows<const float> from(std::int64_t r, std::int64_t column = 0) const { return {row(r) + column, width_}; }
  nn::MatrixView view(nn::Transposed transposed = nn::Transposed::kNo) const {
    return {values_.data(), width_, transposed};
  }
  std::span<const float> values() const { return values_; }

 private:
  std::int64_t rows_ = 0, width_ = 0;
  numeric::UntouchedFloats values_;
};

/// c[m, n] = op(a)[m, k] op(b)[k, n] + beta c by all threads of the team: each computes a block of c of its own, so
/// that every number is one thread's sum.
void product(numeric::Team& team, std::int64_t m, std::int64_t n, std::int64_t k, const nn::MatrixView& a,
             const nn::MatrixView& b, float beta, float* c, std::int64_t c_stride);

/// to[i] = sum over r of from[r, i] + beta to[i], beta 0 or 1; threads divide the columns.
void column_sums(numeric::Team& team, std::int64_t rows, std::int64_t width, const float* from, std::int64_t stride,
                 float beta, float* to);

/// The right side b [k, n] of products in a time loop.
class StepMatrix {
 public:
  /// The memory of b must stay until the loop ends. One thread.
  void assign(std::int64_t k, std::int64_t n, const nn::MatrixView& b) { k_ = k, n_ = n, b_ = b; }
  /// c[m, n] = a[m, k] b + beta c, on the calling thread. Any number of threads at once.
  void multiply(std::int64_t m, nn::Rows<const float> a, float beta, nn::Rows<float> c) const {
    nn::product(m, n_, k_, {a.values, a.stride}, b_, beta, c.values, c.stride);
  }

 private:
  std::int64_t k_ = 0, n_ = 0;
  nn::MatrixView b_;
};

}  // namespace clary::seq2seq
