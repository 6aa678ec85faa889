// SPDX-License-Identifier: Apache-2.0
// Loops of one query's attention over the positions of one source, compiled for SSE4, AVX2 and AVX-512 and chosen at
// run time (Highway). Letters: S positions of the source, A width of a key. Row-major float32, any width; `stride` is
// the distance of two positions. Nothing here allocates, locks or keeps state.
#pragma once

#include <cstdint>

namespace clary::seq2seq::kernels {

/// scores[s] = sum_a v[a] tanh(keys[s, a] + query[a])
/// Source: Bahdanau, Cho, Bengio, "Neural machine translation by jointly learning to align and translate", 2015, A.1.2.
void mlp_scores(std::int64_t positions, std::int64_t width, const float* keys, std::int64_t stride, const float* query,
                const float* v, float* scores);
/// @param score_gradient [S]
/// @param keys_gradient  [S, A], rows `stride` apart: added to
/// @param query_gradient [A]: overwritten; may be the query's memory
/// @param v_gradient     [A]: added to
void mlp_backward(std::int64_t positions, std::int64_t width, const float* keys, std::int64_t stride,
                  const float* query, const float* v, const float* score_gradient, float* keys_gradient,
                  float* query_gradient, float* v_gradient);

/// scores[s] = <keys[s], query>
void dot_scores(std::int64_t positions, std::int64_t width, const float* keys, std::int64_t stride, const float* query,
                float* scores);
/// sum[a] = sum_s weights[s] rows[s, a]
void weighted_sum(std::int64_t positions, std::int64_t width, const float* rows, std::int64_t stride,
                  const float* weights, float* sum);
/// rows[s, a] += weights[s] x[a]
void add_outer(std::int64_t positions, std::int64_t width, const float* weights, const float* x, float* rows,
               std::int64_t stride);

}  // namespace clary::seq2seq::kernels
