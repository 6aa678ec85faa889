// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <new>
#include <vector>

#include "base/error.h"
#include "learning/nn/packed_kernels.h"
#include "learning/numeric/index.h"

namespace clary::nn {
namespace {

using numeric::at;
using packed::kPanel;

std::int64_t panels_of(std::int64_t outputs) { return (outputs + kPanel - 1) / kPanel; }

/// Bytes of a panel.
std::size_t panel_bytes(WeightPrecision precision, std::int64_t inputs) {
  switch (precision) {
    case WeightPrecision::kFloat32:
      return at(inputs * kPanel) * sizeof(float);
    case WeightPrecision::kBFloat16:
      return at(inputs * kPanel) * 2;
    case WeightPrecision::kInt8:
      return at(packed::int8_row(inputs) * kPanel);
  }
  return 0;
}

/// All zero; large ones in large pages where the system has them, since a product reads all of them in order.
std::byte* allocate(std::size_t bytes) {
  constexpr std::size_t kLargePage = std::size_t{2} << 20;
  const std::size_t unit = bytes >= kLargePage ? kLargePage : 64;
  const std::size_t rounded = (bytes + unit - 1) / unit * unit;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(unit, rounded));
  if (memory == nullptr) throw std::bad_alloc();
  if (unit == kLargePage) madvise(memory, rounded, MADV_HUGEPAGE);
  std::fill(memory, memory + rounded, std::byte{0});
  return memory;
}

/// Round to nearest, ties to even; NaN stays one.
std::uint32_t to_bfloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (std::isnan(x)) return (bits >> 16) | 0x40U;
  return (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
}

/// Calls put(i, o, w) for the `outputs` rows of a panel. Inputs in blocks of 16, so that the lines written to stay in
/// the first-level cache.
template <class Put>
void for_each_weight(std::int64_t outputs, std::int64_t inputs, const float* weights, std::int64_t stride,
                     const Put& put) {
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t begin = 0; begin < inputs; begin += kBlock)
    for (std::int64_t o = 0; o < outputs; ++o)
      for (std::int64_t i = begin; i < std::min(begin + kBlock, inputs); ++i) put(i, o, weights[o * stride + i]);
}

void pack_bfloat16(std::int64_t outputs, std::int64_t inputs, const float* weights, std::int64_t stride,
                   std::uint32_t* panel) {
  std::fill_n(panel, inputs * kPanel / 2, 0U);
  for_each_weight(outputs, inputs, weights, stride, [&](std::int64_t i, std::int64_t o, float w) {
    const bool above = o % 32 >= 16;
    panel[i * kPanel / 2 + o / 32 * 16 + o % 16] |= to_bfloat16(w) << (above ? 16 : 0);
  });
}

/// A scale per output: largest |w| / 127.
void pack_int8(std::int64_t outputs, std::int64_t inputs, const float* weights, std::int64_t stride, std::int8_t* panel,
               float* scales, std::int32_t* offsets) {
  for (std::int64_t o = 0; o < outputs; ++o) {
    const float* row = weights + o * stride;
    float largest = 0;
    for (std::int64_t i = 0; i < inputs; ++i) largest = std::max(largest, std::abs(row[i]));
    scales[o] = largest > 0 ? largest / 127 : 1.0F;
    std::int32_t sum = 0;
    for (std::int64_t i = 0; i < inputs; ++i) {
      const auto w = static_cast<std::int8_t>(std::clamp(std::nearbyint(row[i] / scales[o]), -127.0F, 127.0F));
      panel[i / 4 * 4 * kPanel + o * 4 + i % 4] = w;
      sum += w;
    }
    offsets[o] = packed::kInt8Zero * sum;
  }
}

/// Rows of x in 8 bits; memory of the thread, used again from product to product.
struct Quantised {
  std::vector<std::uint8_t> values;
  std::vector<float> scales;

  void assign(std::int64_t rows, std::int64_t inputs, const float* x, std::int64_t x_stride) {
    values.resize(at(rows * packed::int8_row(inputs)));
    scales.resize(at(rows));
    for (std::int64_t r = 0; r < rows; ++r)
      scales[at(r)] = packed::quantise_row(inputs, x + r * x_stride, values.data() + r * packed::int8_row(inputs));
  }
};

/// Calls product(panel, bias, y, y_stride) for every panel, the last one into memory of its own where it is not whole,
/// because a product writes kPanel columns.
template <class Product>
void for_each_panel(std::int64_t outputs, std::int64_t rows, float* y, std::int64_t y_stride, const float* bias,
                    bool accumulate, const Product& product) {
  const std::int64_t whole = outputs / kPanel, rest = outputs % kPanel;
  for (std::int64_t p = 0; p < whole; ++p)
    product(p, 0, rows, bias == nullptr ? nullptr : bias + p * kPanel, y + p * kPanel, y_stride);
  if (rest == 0) return;
  std::array<float, kPanel> last_bias{};
  if (bias != nullptr) std::copy_n(bias + whole * kPanel, rest, last_bias.begin());
  constexpr std::int64_t kRows = 6;  // of a block of the kernels
  std::array<float, kRows * kPanel> block{};
  for (std::int64_t r = 0; r < rows; r += kRows) {
    const std::int64_t n = std::min(kRows, rows - r);
    for (std::int64_t i = 0; accumulate && i < n; ++i)
      std::copy_n(y + (r + i) * y_stride + whole * kPanel, rest, block.begin() + i * kPanel);
    product(whole, r, n, bias == nullptr ? nullptr : last_bias.data(), block.data(), kPanel);
    for (std::int64_t i = 0; i < n; ++i)
      std::copy_n(block.begin() + i * kPanel, rest, y + (r + i) * y_stride + whole * kPanel);
  }
}

}  // namespace

void PackedMatrix::Free::operator()(std::byte* memory) const noexcept { std::free(memory); }

PackedMatrix::PackedMatrix(std::int64_t outputs, std::int64_t inputs, const float* weights, std::int64_t stride,
                           WeightPrecision precision)
    : outputs_(outputs), inputs_(inputs), precision_(precision) {
  if (precision == WeightPrecision::kInt8 && !has_int8_products())
    throw Error(Kind::kInvalid, "weights in int8 need a CPU with AVX-512 VNNI, which this one has not");
  bytes_ = at(panels_of(outputs)) * panel_bytes(precision, inputs);
  weights_.reset(allocate(bytes_));
  if (precision == WeightPrecision::kInt8) {
    scales_ = std::make_unique<float[]>(at(panels_of(outputs) * kPanel));
    offsets_ = std::make_unique<std::int32_t[]>(at(panels_of(outputs) * kPanel));
  }
  pack(weights, stride);
}

PackedMatrix::PackedMatrix(std::int64_t outputs, std::int64_t inputs)
    : outputs_(outputs), inputs_(inputs), bytes_(at(panels()) * panel_bytes(precision_, inputs)) {
  weights_.reset(allocate(bytes_));
}

std::int64_t PackedMatrix::panels() const { return panels_of(outputs_); }

float* PackedMatrix::float32_panel(std::int64_t p) const {
  if (precision_ != WeightPrecision::kFloat32)
    throw Error(Kind::kInternal, "packed matrix: panels are packed and multiplied one by one in float32 only");
  return reinterpret_cast<float*>(weights_.get()) + p * inputs_ * kPanel;
}

void PackedMatrix::pack_panels(std::int64_t first, std::int64_t last, const MatrixView& weights) {
  for (std::int64_t p = first; p < last; ++p) {
    float* panel = float32_panel(p);
    const std::int64_t begin = p * kPanel, n = std::min(kPanel, outputs_ - begin);
    if (weights.transposed == Transposed::kNo) {
      packed::pack_float32(n, inputs_, weights.values + begin * weights.stride, weights.stride, panel);
      continue;
    }
    for (std::int64_t i = 0; i < inputs_; ++i)
      std::copy_n(weights.values + i * weights.stride + begin, n, panel + i * kPanel);
  }
}

void PackedMatrix::multiply_panels(std::int64_t first, std::int64_t last, std::int64_t rows, const float* x,
                                   std::int64_t x_stride, float* y, std::int64_t y_stride, bool accumulate) const {
  const std::int64_t outputs = std::min(last * kPanel, outputs_) - first * kPanel;
  for_each_panel(outputs, rows, y + first * kPanel, y_stride, nullptr, accumulate,
                 [&](std::int64_t p, std::int64_t r, std::int64_t n, const float* b, float* to, std::int64_t stride) {
                   packed::multiply_float32({float32_panel(first + p), inputs_, b, accumulate}, n, x + r * x_stride,
                                            x_stride, to, stride);
                 });
}

void PackedMatrix::pack(const float* weights, std::int64_t stride) {
  for (std::int64_t p = 0; p < panels_of(outputs_); ++p) {
    const std::int64_t first = p * kPanel, n = std::min(kPanel, outputs_ - first);
    const float* from = weights + first * stride;
    std::byte* panel = weights_.get() + at(p) * panel_bytes(precision_, inputs_);
    if (precision_ == WeightPrecision::kFloat32)
      packed::pack_float32(n, inputs_, from, stride, reinterpret_cast<float*>(panel));
    else if (precision_ == WeightPrecision::kBFloat16)
      pack_bfloat16(n, inputs_, from, stride, reinterpret_cast<std::uint32_t*>(panel));
    else
      pack_int8(n, inputs_, from, stride, reinterpret_cast<std::int8_t*>(panel), scales_.get() + first,
                offsets_.get() + first);
  }
}

void PackedMatrix::multiply(std::int64_t rows, const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride,
                            const float* bias, bool accumulate) const {
  const auto panel_at = [&](std::int64_t p) { return weights_.get() + at(p) * panel_bytes(precision_, inputs_); };
  if (precision_ == WeightPrecision::kInt8) {
    thread_local Quantised quantised;
    quantised.assign(rows, inputs_, x, x_stride);
    for_each_panel(outputs_, rows, y, y_stride, bias, accumulate,
                   [&](std::int64_t p, std::int64_t r, std::int64_t n, const float* b, float* to, std::int64_t stride) {
                     const packed::Int8Panel panel{reinterpret_cast<const std::int8_t*>(panel_at(p)),
                                                   inputs_,
                                                   scales_.get() + p * kPanel,
                                                   offsets_.get() + p * kPanel,
                                                   b,
                                                   accumulate};
                     packed::multiply_int8(panel, n, quantised.values.data() + r * packed::int8_row(inputs_),
                                           quantised.scales.data() + r, to, stride);
                   });
    return;
  }
  const auto product = precision_ == WeightPrecision::kFloat32 ? packed::multiply_float32 : packed::multiply_bfloat16;
  for_each_panel(outputs_, rows, y, y_stride, bias, accumulate,
                 [&](std::int64_t p, std::int64_t r, std::int64_t n, const float* b, float* to, std::int64_t stride) {
                   product({panel_at(p), inputs_, b, accumulate}, n, x + r * x_stride, x_stride, to, stride);
                 });
}

}  // namespace clary::nn
