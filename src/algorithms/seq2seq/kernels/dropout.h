// SPDX-License-Identifier: Apache-2.0
// Dropout whose choices are a pure function of (seed, stream, row, column): the backward pass draws them again instead
// of keeping them, and they depend neither on threads nor on the width of the machine's vectors.
#pragma once

#include <cstdint>

namespace clary::seq2seq::kernels {

/// What is dropped, one stream of random numbers each; block l of the convolutional decoder has kConvolution + l.
enum DropoutStream : std::uint32_t { kSourceEmbedding = 0, kTargetEmbedding = 1, kDecoderHidden = 2, kConvolution = 3 };

struct DropoutMask {
  double share = 0;  // of the numbers that become zero; the others are divided by 1 - share. 0: nothing happens
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
};

/// x[i, :] = dropped for i < rows, in place; row i is row `first_row` + i of the mask. The same call on a gradient is
/// the backward pass.
/// @param x  [rows, width], `stride` from one row to the next
void drop(const DropoutMask& mask, std::int64_t first_row, std::int64_t rows, std::int64_t width, float* x,
          std::int64_t stride);

}  // namespace clary::seq2seq::kernels
