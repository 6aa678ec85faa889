// SPDX-License-Identifier: Apache-2.0
// Softmax of the rows of attention scores, and the way back. Float32, `stride` from one row to the next.
#pragma once

#include <cstdint>

namespace clary::seq2seq::kernels {

/// x[r, :width] = softmax(x[r, :width]) in place.
void softmax_rows(std::int64_t rows, std::int64_t width, float* x, std::int64_t stride);

/// delta[r, i] = alpha[r, i] (delta[r, i] - sum_j alpha[r, j] delta[r, j]): gradient of the scores from that of alpha.
void softmax_rows_backward(std::int64_t rows, std::int64_t width, const float* alpha, float* delta,
                           std::int64_t stride);

}  // namespace clary::seq2seq::kernels
