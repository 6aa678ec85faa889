// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/quantized_matrix.h"

namespace clary::blazingtext {

// fastText's ProductQuantizer::get_centroids: all parts but the last have part_dim numbers.
std::span<const float> ProductQuantizer::centroid(std::int32_t part, std::uint8_t code) const {
  const std::int64_t width = part == parts - 1 ? last_dim : part_dim;
  const std::int64_t begin = static_cast<std::int64_t>(part) * kCentroids * part_dim + code * width;
  return {centroids.data() + begin, static_cast<std::size_t>(width)};
}

void QuantizedMatrix::add_row(std::int64_t r, std::span<float> out) const {
  const float length = norm(r);
  const std::uint8_t* code = codes.data() + r * quantizer.parts;
  std::size_t column = 0;
  for (std::int32_t part = 0; part < quantizer.parts; ++part)
    for (const float value : quantizer.centroid(part, code[part])) out[column++] += length * value;
}

// A dot product with the reconstructed row, without reconstructing it.
float QuantizedMatrix::dot_row(std::int64_t r, std::span<const float> vector) const {
  const std::uint8_t* code = codes.data() + r * quantizer.parts;
  std::size_t column = 0;
  float sum = 0;
  for (std::int32_t part = 0; part < quantizer.parts; ++part)
    for (const float value : quantizer.centroid(part, code[part])) sum += vector[column++] * value;
  return sum * norm(r);
}

}  // namespace clary::blazingtext
