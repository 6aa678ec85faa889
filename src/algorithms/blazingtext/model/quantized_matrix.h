// SPDX-License-Identifier: Apache-2.0
// A matrix as fastText compresses it: each row's subvectors are numbers of centroids (product quantisation), and its
// length, when kept apart, is one more such number. Values are put together on the fly.
// Source: Jegou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011; fastText's file format.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clary::blazingtext {

/// 256 centroids for each of `parts` pieces of a vector of `dim` numbers; pieces are `part_dim` wide, the last one
/// `last_dim`.
struct ProductQuantizer {
  static constexpr std::int32_t kCentroids = 256;
  std::int32_t dim = 0, parts = 0, part_dim = 0, last_dim = 0;
  std::vector<float> centroids;  // [dim * 256]: part by part, centroid by centroid

  std::span<const float> centroid(std::int32_t part, std::uint8_t code) const;
};

struct QuantizedMatrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<std::uint8_t> codes;  // [rows, quantizer.parts]
  ProductQuantizer quantizer;
  bool has_norms = false;
  std::vector<std::uint8_t> norm_codes;  // [rows] when has_norms
  ProductQuantizer norm_quantizer;       // of one number

  /// out += row r
  void add_row(std::int64_t r, std::span<float> out) const;
  /// row r . vector
  float dot_row(std::int64_t r, std::span<const float> vector) const;

 private:
  float norm(std::int64_t r) const {
    return has_norms ? norm_quantizer.centroid(0, norm_codes[static_cast<std::size_t>(r)])[0] : 1.0F;
  }
};

}  // namespace clary::blazingtext
