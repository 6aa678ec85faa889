// SPDX-License-Identifier: Apache-2.0
// Passes over a row of logits, one per word of the vocabulary, compiled for SSE4, AVX2 and AVX-512 and chosen at run
// time (Highway). Nothing here allocates, locks or keeps state.
#pragma once

#include <cstdint>

namespace clary::seq2seq::kernels {

/// Words whose largest logit is found together.
inline constexpr std::int64_t kWordBlock = 64;
constexpr std::int64_t word_blocks(std::int64_t words) { return (words + kWordBlock - 1) / kWordBlock; }

/// maxima[b] = largest of the logits [b kWordBlock, (b + 1) kWordBlock) that exist
void block_maxima(std::int64_t words, const float* logits, float* maxima);
/// sum_i e^(logits[i] - shift); terms below e^-87 count as that
float exp_sum(std::int64_t words, const float* logits, float shift);

/// out[i] = <weights[words[i]], x> + bias[words[i]]
/// @param weights  [V, width]
void word_logits(std::int64_t n, const std::int32_t* words, const float* weights, const float* bias, std::int64_t width,
                 const float* x, float* out);

}  // namespace clary::seq2seq::kernels
