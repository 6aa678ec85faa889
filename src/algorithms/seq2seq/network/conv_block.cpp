// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/conv_block.h"

#include <algorithm>
#include <utility>

#include "algorithms/seq2seq/kernels/activation.h"
#include "learning/nn/product.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

using nn::product;
using nn::Transposed;
using numeric::at;

ConvBlock::ConvBlock(std::string prefix, const Architecture& architecture, std::int64_t kernel_width, std::int64_t left)
    : prefix_(std::move(prefix)),
      activation_(architecture.activation),
      units_(architecture.cnn_hidden),
      maps_(architecture.conv_outputs()),
      width_(kernel_width),
      left_(left) {}

void ConvBlock::prepare(const Pass& pass, std::int64_t steps) {
  batch_ = pass.batch.rows, rows_ = steps * batch_;
  const std::int64_t before = left_ * batch_ * units_, after = (width_ - 1 - left_) * batch_ * units_;
  input_.resize(at(before + rows_ * units_ + after));
  std::fill_n(input_.begin(), before, 0.0F);
  std::fill_n(input_.end() - after, after, 0.0F);
  sums_.resize(at(rows_ * maps_));
  weight_.resize(at(width_ * maps_ * units_));
  const std::span<const float> weight = pass.parameters.of(prefix_ + ".weight");
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(maps_, thread, pass.team.size());
    for (std::int64_t j = 0; j < width_; ++j) {
      float* out = weight_.data() + weight_at(j);
      for (std::int64_t i = begin * units_; i < end * units_; ++i) out[i] = weight[at(i * width_ + j)];
    }
  });
}

void ConvBlock::forward(const Pass& pass, std::int64_t begin, std::int64_t end, float* z) {
  if (begin == end) return;
  float* sums = sums_.data() + begin * maps_;
  for (std::int64_t j = 0; j < width_; ++j)
    product(end - begin, maps_, units_, {input_.data() + (begin + j * batch_) * units_, units_},
            {weight_.data() + weight_at(j), units_, Transposed::kYes}, j == 0 ? 0.0F : 1.0F, sums, maps_);
  kernels::activate(activation_, end - begin, units_, pass.parameters.of(prefix_ + ".bias").data(), sums,
                    z + begin * units_);
}

void ConvBlock::backward(const Pass& pass, const float* dz, std::span<float> gradients, float* dx) {
  weight_gradient_.resize(weight_.size());
  const int threads = pass.team.size();
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(rows_, thread, threads);
    kernels::activate_backward(activation_, end - begin, units_, dz + begin * units_, sums_.data() + begin * maps_);
  });
  pass.team.run([&](int thread) {
    const auto [first_map, last_map] = numeric::share(maps_, thread, threads);
    gradient_of_weights(pass, first_map, last_map, gradients);
    const auto [begin, end] = numeric::share(rows_, thread, threads);
    gradient_of_input(begin, end, dx);
  });
}

/// Of the feature maps [begin, end): each thread has its own and sees all rows, so that nothing is added up afterwards.
void ConvBlock::gradient_of_weights(const Pass& pass, std::int64_t begin, std::int64_t end,
                                    std::span<float> gradients) {
  if (begin == end) return;
  float* weight = gradients.data() + pass.parameters.tensor(prefix_ + ".weight").offset;
  for (std::int64_t j = 0; j < width_; ++j) {
    float* packed = weight_gradient_.data() + weight_at(j);
    product(end - begin, units_, rows_, {sums_.data() + begin, maps_, Transposed::kYes},
            {input_.data() + j * batch_ * units_, units_}, 0.0F, packed + begin * units_, units_);
    for (std::int64_t i = begin * units_; i < end * units_; ++i) weight[i * width_ + j] = packed[i];
  }
  float* bias = gradients.data() + pass.parameters.tensor(prefix_ + ".bias").offset;
  std::fill(bias + begin, bias + end, 0.0F);
  for (std::int64_t r = 0; r < rows_; ++r) {
    const float* row = sums_.data() + r * maps_;
    for (std::int64_t map = begin; map < end; ++map) bias[map] += row[map];
  }
}

/// dx[r] = sum_j dsums[r + shift(j)] W_j over the rows that exist. Position j = left has all of them and comes first.
void ConvBlock::gradient_of_input(std::int64_t begin, std::int64_t end, float* dx) const {
  const auto add = [&](std::int64_t j, float beta) {
    const std::int64_t first = std::max(begin, -shift(j)), last = std::min(end, rows_ - shift(j));
    if (first >= last) return;
    product(last - first, units_, maps_, {sums_.data() + (first + shift(j)) * maps_, maps_},
            {weight_.data() + weight_at(j), units_}, beta, dx + first * units_, units_);
  };
  add(left_, 0);
  for (std::int64_t j = 0; j < width_; ++j)
    if (j != left_) add(j, 1);
}

}  // namespace clary::seq2seq
