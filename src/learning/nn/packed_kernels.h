// SPDX-License-Identifier: Apache-2.0
// Layouts and loops of packed_matrix.h. Internal to it. Outputs are cut into panels of kPanel, the last one padded with
// zeros; a panel holds its weights input after input:
//   float32   [inputs][kPanel]
//   bfloat16  [inputs][kPanel / 2] words of 32 bits: word j of a group of 16 has output j below and output 16 + j
//   above,
//             so that a register becomes two of float32 by a shift and a mask
//   int8      [inputs / 4][kPanel][4 inputs], as the instruction vpdpbusd reads them
#pragma once

#include <cstddef>
#include <cstdint>

namespace clary::nn::packed {

inline constexpr std::int64_t kPanel = 64;

/// One panel's product: y[r, 0 .. kPanel) for all rows.
struct Panel {
  const void* weights;
  std::int64_t inputs;
  const float* bias;  // [kPanel], or nullptr
  bool accumulate;
};

/// to[j, i] = from[i, j] of a matrix [rows, columns].
void transpose(std::int64_t rows, std::int64_t columns, const float* from, std::int64_t stride, float* to,
               std::int64_t to_stride);
/// panel[i, o] = w[o, i] for the outputs and inputs given; the rest of the panel is left alone.
inline void pack_float32(std::int64_t outputs, std::int64_t inputs, const float* w, std::int64_t stride, float* panel) {
  transpose(outputs, inputs, w, stride, panel, kPanel);
}

void multiply_float32(const Panel& panel, std::int64_t rows, const float* x, std::int64_t x_stride, float* y,
                      std::int64_t y_stride);
void multiply_bfloat16(const Panel& panel, std::int64_t rows, const float* x, std::int64_t x_stride, float* y,
                       std::int64_t y_stride);

/// Bytes of a row of x in 8 bits: a multiple of 4.
constexpr std::int64_t int8_row(std::int64_t inputs) { return (inputs + 3) / 4 * 4; }

/// round(x / scale) + kInt8Zero, scale = max |x| / 127.
/// @param out     [int8_row(inputs)]
/// @return scale
float quantise_row(std::int64_t inputs, const float* x, std::uint8_t* out);
inline constexpr std::int32_t kInt8Zero = 128;

struct Int8Panel {
  const std::int8_t* weights;
  std::int64_t inputs;
  const float* scales;          // [kPanel]
  const std::int32_t* offsets;  // [kPanel]: kInt8Zero * sum of the output's weights
  const float* bias;            // [kPanel], or nullptr
  bool accumulate;
};

/// @param x        [rows, int8_row(inputs)] by quantise_row()
/// @param x_scale  [rows]
void multiply_int8(const Int8Panel& panel, std::int64_t rows, const std::uint8_t* x, const float* x_scale, float* y,
                   std::int64_t y_stride);

}  // namespace clary::nn::packed
