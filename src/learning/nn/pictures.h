// SPDX-License-Identifier: Apache-2.0
// The first layer: bytes of pictures -> a map of floats, by which the batch norm on the data (scale fixed to one) costs
// nothing. A byte has 256 values, so a channel's affine map is a table. Statistics are exact: sums of integers.
// Internal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "learning/nn/graph.h"

namespace clary::nn {

/// Mean and biased variance of each channel.
struct ChannelStatistics {
  std::vector<double> mean, variance;
};
/// @param pixels  [n, H, W, C]
ChannelStatistics channel_statistics(std::span<const std::uint8_t> pixels, std::int64_t channels);

/// Value of each byte in each channel: [C][256].
struct PixelTable {
  std::vector<float> values;
};
/// The bytes themselves.
PixelTable identity_table(std::int64_t channels);
/// (byte - mean) / sqrt(variance + epsilon) + beta
PixelTable normalizing_table(const ChannelStatistics& statistics, float epsilon, std::span<const float> beta);

/// @param pixels  [pictures, H, W, C]
/// @param map     [pictures, C, H, W]
void fill_map(const PixelTable& table, std::int64_t pictures, const MapShape& shape, const std::uint8_t* pixels,
              float* map);

/// Gradient of the beta of a batch norm before a convolution: the sum over pictures and positions of the gradient by
/// the convolution's input, without computing that map. A tap (i, j) of the kernel sees the input position (y s + i -
/// p, x s + j - p) from the output position (y, x), so
///   beta'[c] = sum_o,i,j W[o, c, i, j] * (sum of g[o, y, x] over those (y, x) whose input position is in the picture)
/// and the sums over rectangles come from the sums of g over pictures.
/// @param g       [O, OH, OW]: gradient by the convolution's output, summed over pictures
/// @param weights [O, C, K, K]
/// @param sums    [C]
void input_gradient_sums(const Op& convolution, const MapShape& input, std::span<const float> g,
                         std::span<const float> weights, std::span<float> sums);

}  // namespace clary::nn
