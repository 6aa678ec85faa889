// SPDX-License-Identifier: Apache-2.0
// A block of the convolutional encoder and decoder: z = act(W * x + b), a convolution over time. In time-major arrays a
// step further is B rows further, so that a kernel of width k is the sum of k matrix products with rows shifted by
// j B: nothing is unfolded. Rows [T B], H units, O feature maps (2 H for glu). Internal to network/.
// Source: Gehring et al., "Convolutional sequence to sequence learning", ICML 2017, section 3.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "algorithms/seq2seq/network/parts.h"
#include "learning/numeric/floats.h"

namespace clary::seq2seq {

class ConvBlock {
 public:
  /// @param prefix       of its tensors: "encoder.conv0"
  /// @param left         zero steps in front; the kernel_width - 1 - left others follow the end
  ConvBlock(std::string prefix, const Architecture& architecture, std::int64_t kernel_width, std::int64_t left);

  /// Makes room for a batch; must come before input(). Not for a thread of the team.
  void prepare(const Pass& pass, std::int64_t steps);
  /// [T B, H]: to be written (rows of padding zero) before forward(), and to stay so until backward().
  float* input() { return input_.data() + left_ * batch_ * units_; }

  /// z[r, :] in rows [begin, end), which are all of the share of the calling thread. Rows of padding: any finite
  /// numbers.
  void forward(const Pass& pass, std::int64_t begin, std::int64_t end, float* z);
  /// @param dz  [T B, H]  gradient of z, zero in rows of padding
  /// @param dx  [T B, H]  gradient of input(), overwritten; not zero in rows of padding
  void backward(const Pass& pass, const float* dz, std::span<float> gradients, float* dx);

  /// Numbers that prepare() takes memory for.
  static std::int64_t floats(const Architecture& a, std::int64_t kernel_width, std::int64_t batch, std::int64_t steps) {
    const std::int64_t weights = 2 * kernel_width * a.conv_outputs() * a.cnn_hidden;
    return weights + batch * ((steps + kernel_width - 1) * a.cnn_hidden + steps * a.conv_outputs());
  }

 private:
  void gradient_of_weights(const Pass& pass, std::int64_t begin, std::int64_t end, std::span<float> gradients);
  void gradient_of_input(std::int64_t begin, std::int64_t end, float* dx) const;
  /// [O, H] of kernel position j.
  std::int64_t weight_at(std::int64_t j) const { return j * maps_ * units_; }
  /// Rows from an input's row to the same step of the sums, for kernel position j.
  std::int64_t shift(std::int64_t j) const { return (left_ - j) * batch_; }

  std::string prefix_;
  ConvActivation activation_;
  std::int64_t units_, maps_, width_, left_;
  std::int64_t batch_ = 0, rows_ = 0;
  numeric::UntouchedFloats weight_;           // [width, O, H]: the parameter is [O, H, width]
  numeric::UntouchedFloats weight_gradient_;  // the same
  numeric::UntouchedFloats input_;            // [(left + T + right) B, H]
  numeric::UntouchedFloats sums_;             // [T B, O]: what activate() keeps, then the gradient of the sums
};

}  // namespace clary::seq2seq
