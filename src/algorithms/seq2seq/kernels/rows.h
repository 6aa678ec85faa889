// SPDX-License-Identifier: Apache-2.0
// Element-wise loops over rows of numbers, compiled for SSE4, AVX2 and AVX-512 and chosen at run time (Highway). Any
// width. Nothing here allocates, locks or keeps state.
#pragma once

#include <cstdint>

namespace clary::seq2seq::kernels {

/// x = tanh(x + bias)
void tanh_bias(std::int64_t width, const float* bias, float* x);
/// gradient *= 1 - y^2, where y = tanh(.)
void tanh_backward(std::int64_t width, const float* y, float* gradient);
/// to += from
void add(std::int64_t width, const float* from, float* to);
/// to += factor * from
void add_scaled(std::int64_t width, float factor, const float* from, float* to);
/// to[i] += sum over rows r of from[r, i]
void add_column_sums(std::int64_t rows, std::int64_t width, const float* from, std::int64_t stride, float* to);

/// What cross_entropy() says of a row of logits.
struct LabelScore {
  float nats;       // -ln max(p(label), 1e-10)
  bool is_largest;  // the label has the largest logit, and no smaller id has the same
};
/// Logits are z = x + bias.
/// @param scale  of the gradient; with 0 nothing is written to x
/// @param x      [V]  out: scale (softmax(z) - one_hot(label))
LabelScore cross_entropy(std::int64_t words, const float* bias, std::int32_t label, float scale, float* x);

}  // namespace clary::seq2seq::kernels
