// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/attention.h"

#include <algorithm>
#include <utility>

#include "algorithms/seq2seq/kernels/attention.h"
#include "algorithms/seq2seq/kernels/rows.h"
#include "algorithms/seq2seq/kernels/softmax.h"

namespace clary::seq2seq {

using nn::Transposed;

AttentionLayer::AttentionLayer(const Architecture& a)
    : kind_(a.attention),
      units_(a.rnn_hidden),
      width_(a.attention == Attention::kBilinear ? a.rnn_hidden : a.attention_hidden),
      source_width_(a.encoder_width()),
      projects_source_(a.attention == Attention::kMlp || a.attention == Attention::kBilinear ||
                       (a.attention == Attention::kDot && source_width_ != width_)),
      projects_query_(a.attention == Attention::kMlp || (a.attention == Attention::kDot && units_ != width_)) {}

void AttentionLayer::begin(const Pass& pass, SourceRows& source, std::int64_t rows, int parts) {
  source_ = &source;
  if (kind_ == Attention::kFixed) return;
  weights_.reshape(rows, pass.batch.source_steps);
  score_gradients_.reshape(parts, pass.batch.source_steps);
  if (!projects_query_) query_gradients_.reshape(parts, width_);
  if (projects_source_) {
    source_weight_ = pass.parameters.of("attention.source.weight").data();
    keys_.reshape(source.values.rows(), width_);
    product(pass.team, keys_.rows(), width_, source_width_, source.values.view(),
            {source_weight_, source_width_, Transposed::kYes}, 0, keys_.row(0), width_);
  }
  if (projects_query_) {
    const float* query_weight = pass.parameters.of("attention.query.weight").data();
    queries_.reshape(rows, width_);
    query_.assign(pass.team, pass.trains, {query_weight, units_, width_, units_});
  }
  if (kind_ == Attention::kMlp) {
    v_ = pass.parameters.of("attention.v.weight").data();
    v_gradients_.reshape(parts, width_);
  }
}

void AttentionLayer::step(std::int64_t row, std::int64_t pair, std::int64_t n, nn::Rows<const float> query,
                          nn::Rows<float> context) {
  if (kind_ == Attention::kFixed) {
    for (std::int64_t i = 0; i < n; ++i)
      std::copy_n(source_->values.row(source_->last(pair + i)), source_width_, context.row(i));
    return;
  }
  if (projects_query_) {
    query_.forward.multiply(n, query, queries_.from(row));
    query = std::as_const(queries_).from(row);
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t length = source_->length(pair + i), first = source_->first(pair + i);
    float* weights = weights_.row(row + i);
    if (kind_ == Attention::kMlp)
      kernels::mlp_scores(length, width_, keys().row(first), width_, query.row(i), v_, weights);
    else
      kernels::dot_scores(length, width_, keys().row(first), width_, query.row(i), weights);
    kernels::softmax_rows(1, length, weights, length);
    kernels::weighted_sum(length, source_width_, source_->values.row(first), source_width_, weights, context.row(i));
  }
}

void AttentionLayer::begin_backward() {
  source_->zero_gradient();
  if (projects_source_) {
    keys_gradient_.reshape(keys_.rows(), keys_.width());
    keys_gradient_.zero();
  }
  if (kind_ == Attention::kMlp) v_gradients_.zero();
}

void AttentionLayer::pair_backward(std::int64_t row, std::int64_t pair, const float* query,
                                   const float* context_gradient, float* query_gradient, int part) {
  const std::int64_t length = source_->length(pair), first = source_->first(pair);
  const float *weights = weights_.row(row), *key = keys().row(first);
  float *score_gradient = score_gradients_.row(part), *key_gradient = keys_gradient().row(first);
  kernels::dot_scores(length, source_width_, source_->values.row(first), source_width_, context_gradient,
                      score_gradient);
  kernels::add_outer(length, source_width_, weights, context_gradient, source_->gradient.row(first), source_width_);
  kernels::softmax_rows_backward(1, length, weights, score_gradient, length);
  if (kind_ == Attention::kMlp) {
    kernels::mlp_backward(length, width_, key, width_, query, v_, score_gradient, key_gradient, query_gradient,
                          v_gradients_.row(part));
  } else {
    kernels::add_outer(length, width_, score_gradient, query, key_gradient, width_);
    kernels::weighted_sum(length, width_, key, width_, score_gradient, query_gradient);
  }
}

void AttentionLayer::step_backward(std::int64_t row, std::int64_t pair, std::int64_t n, nn::Rows<const float> query,
                                   nn::Rows<const float> context_gradient, nn::Rows<float> query_gradient, int part) {
  if (kind_ == Attention::kFixed) {
    for (std::int64_t i = 0; i < n; ++i)
      kernels::add(source_width_, context_gradient.row(i), source_->gradient.row(source_->last(pair + i)));
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    float* projected = projects_query_ ? queries_.row(row + i) : nullptr;
    float* gradient = projects_query_ ? projected : query_gradients_.row(part);
    pair_backward(row + i, pair + i, projects_query_ ? projected : query.row(i), context_gradient.row(i), gradient,
                  part);
    if (!projects_query_) kernels::add(width_, gradient, query_gradient.row(i));
  }
  if (projects_query_) query_.backward.add_product(n, std::as_const(queries_).from(row), query_gradient);
}

void AttentionLayer::finish_backward(const Pass& pass, const Matrix& queries, std::span<float> gradients) {
  const auto gradient = [&](const char* name) { return gradients.data() + pass.parameters.tensor(name).offset; };
  if (projects_source_) {
    const std::int64_t positions = keys_.rows();
    product(pass.team, width_, source_width_, positions, keys_gradient_.view(Transposed::kYes), source_->values.view(),
            0, gradient("attention.source.weight"), source_width_);
    product(pass.team, positions, source_width_, width_, keys_gradient_.view(), {source_weight_, source_width_}, 1,
            source_->gradient.row(0), source_width_);
  }
  if (projects_query_)
    product(pass.team, width_, units_, queries_.rows(), queries_.view(Transposed::kYes), queries.view(), 0,
            gradient("attention.query.weight"), units_);
  if (kind_ == Attention::kMlp)
    column_sums(pass.team, v_gradients_.rows(), width_, v_gradients_.row(0), width_, 0, gradient("attention.v.weight"));
}

std::int64_t AttentionLayer::floats(const Architecture& a, std::int64_t rows, std::int64_t source_rows,
                                    std::int64_t source_steps) {
  if (a.attention == Attention::kFixed) return 0;
  const AttentionLayer layer(a);
  std::int64_t floats = rows * source_steps;
  if (layer.projects_source_) floats += 2 * source_rows * layer.width_;
  if (layer.projects_query_) floats += rows * layer.width_ + 2 * layer.width_ * layer.units_;
  return floats;
}

}  // namespace clary::seq2seq
