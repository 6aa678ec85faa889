// SPDX-License-Identifier: Apache-2.0
// Attention of the recurrent decoder under training, all kinds. Rows are those of PackedSteps over the target; a time
// loop may be cut into ranges of pairs that several threads run side by side. Letters: R rows, d units of the decoder,
// A width of keys and queries, W width of the encoder's output.
//   mlp       score = v^T tanh(W_s h_s + W_q q)
//   dot       score = <W_s h_s, W_q q>; a projection exists where its size differs from A
//   bilinear  score = <W h_s, q>
//   fixed     the context is the last h_s
// Weights are the softmax of the scores over the source's true positions; the context is the weighted sum of the h_s.
#pragma once

#include <cstdint>
#include <span>

#include "algorithms/seq2seq/network/parts.h"
#include "algorithms/seq2seq/network/products.h"
#include "algorithms/seq2seq/network/source_rows.h"

namespace clary::seq2seq {

class AttentionLayer {
 public:
  explicit AttentionLayer(const Architecture& architecture);

  /// Starts a pass: keys of all positions in one product.
  /// @param source  must stay until the pass ends; backward adds to its gradient
  /// @param rows    R
  /// @param parts   ranges of pairs of the time loop
  void begin(const Pass& pass, SourceRows& source, std::int64_t rows, int parts);
  /// Contexts of rows [row, row + n), which belong to the pairs from `pair` on.
  /// @param query  [n, d]; context [n, W]
  void step(std::int64_t row, std::int64_t pair, std::int64_t n, nn::Rows<const float> query, nn::Rows<float> context);

  void begin_backward();
  /// @param context_gradient  [n, W]
  /// @param query_gradient    [n, d]: added to
  /// @param part              which range of pairs
  void step_backward(std::int64_t row, std::int64_t pair, std::int64_t n, nn::Rows<const float> query,
                     nn::Rows<const float> context_gradient, nn::Rows<float> query_gradient, int part);
  /// Gradients of the parameters, and the keys' part of the source's.
  /// @param queries  [R, d]
  void finish_backward(const Pass& pass, const Matrix& queries, std::span<float> gradients);

  /// Numbers that a pass takes memory for.
  static std::int64_t floats(const Architecture& architecture, std::int64_t rows, std::int64_t source_rows,
                             std::int64_t source_steps);

 private:
  const Matrix& keys() const { return projects_source_ ? keys_ : source_->values; }
  Matrix& keys_gradient() { return projects_source_ ? keys_gradient_ : source_->gradient; }
  /// Backward of one row: gradients of scores, source, keys, and of v; `query` as the scores read it.
  /// @param query_gradient  [A]: overwritten; may be the query's memory
  void pair_backward(std::int64_t row, std::int64_t pair, const float* query, const float* context_gradient,
                     float* query_gradient, int part);

  Attention kind_;
  std::int64_t units_, width_, source_width_;  // d, A, W
  bool projects_source_, projects_query_;
  SourceRows* source_ = nullptr;
  const float *source_weight_ = nullptr, *v_ = nullptr;
  StepWeight query_;
  Matrix keys_, keys_gradient_;  // [positions, A], where the source is projected
  Matrix queries_;               // [R, A], where the query is projected; backward: gradients
  Matrix weights_;               // [R, S]
  Matrix score_gradients_;       // [parts, S]
  Matrix query_gradients_;       // [parts, A], where the query is not projected
  Matrix v_gradients_;           // [parts, A]
};

}  // namespace clary::seq2seq
