// SPDX-License-Identifier: Apache-2.0
// Every matrix product of a training step passes through here, so that another precision or library is a change of one
// file. Row-major float32.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "learning/nn/packed_matrix.h"
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

/// The right side b [k, n] of the products in a time loop, packed once for all steps.
class StepMatrix {
 public:
  /// Threads divide the packing; b is not needed afterwards.
  void assign(numeric::Team& team, std::int64_t k, std::int64_t n, const nn::MatrixView& b);
  /// c[m, n] = a[m, k] b, or c += a b, on the calling thread. Any number of threads at once.
  void multiply(std::int64_t m, nn::Rows<const float> a, nn::Rows<float> c) const {
    packed_.multiply(m, a.values, a.stride, c.values, c.stride);
  }
  void add_product(std::int64_t m, nn::Rows<const float> a, nn::Rows<float> c) const {
    packed_.multiply(m, a.values, a.stride, c.values, c.stride, nullptr, true);
  }

 private:
  nn::PackedMatrix packed_;
};

/// A linear map's weight [out, in], or some columns of one.
struct WeightView {
  const float* values = nullptr;
  std::int64_t stride = 0, out = 0, in = 0;
};

/// A linear map in a time loop: y = x W^T, and the gradient of x = that of y times W.
struct StepWeight {
  StepMatrix forward, backward;

  /// @param trains  else `backward` is left alone
  void assign(numeric::Team& team, bool trains, const WeightView& weight) {
    forward.assign(team, weight.in, weight.out, {weight.values, weight.stride, nn::Transposed::kYes});
    if (trains) backward.assign(team, weight.out, weight.in, {weight.values, weight.stride});
  }
};

}  // namespace clary::seq2seq
