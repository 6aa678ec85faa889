// SPDX-License-Identifier: Apache-2.0
// A weight matrix laid out once for products with few rows, as decoding, serving and time loops have them: a product is
// one pass over the weights in memory order, of which each cache line is used for up to six rows. Compiled for SSE4,
// AVX2 and AVX-512 and chosen at run time (Highway); 8-bit products use AVX-512 VNNI.
// Letters: R rows, I inputs, O outputs. Row-major float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "learning/nn/product.h"

namespace clary::nn {

/// How the weights are kept; x, y and bias are float32.
enum class WeightPrecision {
  kFloat32,
  kBFloat16,  // weights rounded to 8 bits of mantissa; products and sums in float32
  kInt8       // weights in 8 bits with a scale per output, x in 8 bits with a scale per row; sums in 32 bits
};

/// Whether this CPU has the instructions of the 8-bit product (AVX-512 VNNI).
bool has_int8_products();

class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// @param weights  [O, I], `stride` numbers from one row to the next; not needed afterwards
  /// @throws Error{kInvalid} for kInt8 on a CPU without has_int8_products()
  PackedMatrix(std::int64_t outputs, std::int64_t inputs, const float* weights, std::int64_t stride,
               WeightPrecision precision = WeightPrecision::kFloat32);

  /// Room for float32 weights, to be packed by pack_panels(). All zero.
  PackedMatrix(std::int64_t outputs, std::int64_t inputs);

  /// Other weights of the same shape: one pass, no memory. No product may run meanwhile.
  void pack(const float* weights, std::int64_t stride);

  std::int64_t outputs() const { return outputs_; }
  std::int64_t inputs() const { return inputs_; }
  bool empty() const { return outputs_ == 0; }

  /// y[r, o] = sum_i x[r, i] w[o, i] + bias[o], on the calling thread. Any number of threads at once. A row's result
  /// does not depend on the other rows, to the last bit.
  /// @param bias        [O], or nullptr
  /// @param accumulate  y's numbers are added too
  void multiply(std::int64_t rows, const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride,
                const float* bias = nullptr, bool accumulate = false) const;

  /// A panel is some dozen outputs. Threads may divide the panels of a float32 matrix among themselves, for packing and
  /// then for products of many rows.
  std::int64_t panels() const;
  /// Panels [first, last). @param weights  [O, I], or its transpose [I, O] in memory
  void pack_panels(std::int64_t first, std::int64_t last, const MatrixView& weights);
  /// y[r, o] for the outputs o of panels [first, last); y is the whole matrix's first number.
  void multiply_panels(std::int64_t first, std::int64_t last, std::int64_t rows, const float* x, std::int64_t x_stride,
                       float* y, std::int64_t y_stride, bool accumulate) const;

  /// Bytes that the weights take.
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };

  float* float32_panel(std::int64_t p) const;

  std::int64_t outputs_ = 0, inputs_ = 0;
  WeightPrecision precision_ = WeightPrecision::kFloat32;
  std::size_t bytes_ = 0;
  std::unique_ptr<std::byte, Free> weights_;  // panels of kPanel outputs (packed_kernels.h)
  std::unique_ptr<float[]> scales_;           // kInt8: [O], padded to panels
  std::unique_ptr<std::int32_t[]> offsets_;   // kInt8: [O], padded: what the zero point adds to a sum
};

}  // namespace clary::nn
