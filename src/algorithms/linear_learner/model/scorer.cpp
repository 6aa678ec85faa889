// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/model/scorer.h"

#include <algorithm>
#include <array>

#include "learning/numeric/gemm.h"

namespace clary::linear_learner {
namespace {

constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kBlockRows = 96;  // their padded outputs stay in the first-level cache for up to 80 classes

/// Feature d is summed in lane d mod 16, so that the loop is a vector operation and sparse rows add up the same way.
using Lanes = std::array<float, kLanes>;

float total(Lanes lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

float dense_dot(const float* x, const float* w, std::int64_t n) {
  Lanes lanes{};
  std::int64_t d = 0;
  for (; d + kLanes <= n; d += kLanes)
    for (std::int64_t i = 0; i < kLanes; ++i) lanes[static_cast<std::size_t>(i)] += x[d + i] * w[d + i];
  for (std::int64_t i = 0; d + i < n; ++i) lanes[static_cast<std::size_t>(i)] += x[d + i] * w[d + i];
  return total(lanes);
}

float sparse_dot(std::span<const std::int32_t> columns, std::span<const float> values, const float* w) {
  Lanes lanes{};
  for (std::size_t i = 0; i < values.size(); ++i)
    lanes[static_cast<std::size_t>(columns[i] % kLanes)] += values[i] * w[columns[i]];
  return total(lanes);
}

}  // namespace

Scorer::Scorer(const Weights& weights)
    : features_(weights.features),
      outputs_(weights.outputs),
      // Rows of the weight matrix are padded to whole vectors when there are several outputs; one output is a plain
      // vector.
      stride_(weights.outputs == 1 ? 1 : numeric::padded(weights.outputs)),
      weight_(static_cast<std::size_t>(features_ * stride_)),
      bias_(static_cast<std::size_t>(stride_)) {
  std::copy(weights.bias.begin(), weights.bias.end(), bias_.begin());
  for (std::int64_t d = 0; d < features_; ++d)
    std::copy_n(weights.weight.begin() + d * outputs_, outputs_, weight_.begin() + d * stride_);
}

std::vector<float> Scorer::outputs(const formats::Batch& rows) const {
  return outputs_ == 1 ? one_output(rows) : many_outputs(rows);
}

std::vector<float> Scorer::one_output(const formats::Batch& rows) const {
  std::vector<float> out(static_cast<std::size_t>(rows.rows));
  for (std::int64_t r = 0; r < rows.rows; ++r)
    // Lane d mod 16 for dense and sparse rows: the same row scores the same in both forms.
    out[static_cast<std::size_t>(r)] =
        bias_[0] + (rows.sparse ? sparse_dot(rows.row_columns(r), rows.row_values(r), weight_.data())
                                : dense_dot(rows.row(r).data(), weight_.data(), features_));
  return out;
}

std::vector<float> Scorer::many_outputs(const formats::Batch& rows) const {
  std::vector<float> out(static_cast<std::size_t>(rows.rows * outputs_));
  numeric::Floats block(static_cast<std::size_t>(std::min(rows.rows, kBlockRows) * stride_));
  for (std::int64_t first = 0; first < rows.rows; first += kBlockRows) {
    const std::int64_t count = std::min(kBlockRows, rows.rows - first);
    // The bias is the initial value of the sums, to which the products are added.
    for (std::int64_t r = 0; r < count; ++r) {
      float* sums = block.data() + r * stride_;
      if (rows.sparse)
        numeric::gather_sum(static_cast<std::int64_t>(rows.row_size(first + r)), rows.row_columns(first + r).data(),
                            rows.row_values(first + r).data(), weight_.data(), stride_, stride_, bias_.data(), sums);
      else
        std::copy(bias_.begin(), bias_.end(), sums);
    }
    if (!rows.sparse)
      numeric::gemm_nn(count, stride_, features_, rows.row(first).data(), rows.width, weight_.data(), stride_,
                       block.data(), stride_, true);
    for (std::int64_t r = 0; r < count; ++r)
      std::copy_n(block.begin() + r * stride_, outputs_, out.begin() + (first + r) * outputs_);
  }
  return out;
}

}  // namespace clary::linear_learner
