// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/initial_states.h"

#include <algorithm>

#include "algorithms/seq2seq/kernels/rows.h"

namespace clary::seq2seq {

using nn::Transposed;

void InitialStates::begin(const Pass& pass, const SourceRows& source) {
  if (kind_ == StateInit::kZero) return;
  const std::int64_t pairs = pass.batch.rows, width = source.values.width();
  summary_.reshape(pairs, width);
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    float* to = summary_.row(pair);
    if (kind_ == StateInit::kLast) {
      std::copy_n(source.values.row(source.last(pair)), width, to);
      continue;
    }
    const float share = 1 / static_cast<float>(source.length(pair));
    std::fill_n(to, width, 0.0F);
    for (std::int64_t s = 0; s < source.length(pair); ++s)
      kernels::add_scaled(width, share, source.values.row(source.first(pair) + s), to);
  }
}

void InitialStates::assign(const Pass& pass, const std::string& name, float* states) const {
  const std::int64_t pairs = pass.batch.rows;
  if (kind_ == StateInit::kZero) {
    std::fill_n(states, pairs * units_, 0.0F);
    return;
  }
  const std::int64_t width = summary_.width();
  product(pass.team, pairs, units_, width, summary_.view(),
          {pass.parameters.of(name + ".weight").data(), width, Transposed::kYes}, 0, states, units_);
  const float* bias = pass.parameters.of(name + ".bias").data();
  for (std::int64_t pair = 0; pair < pairs; ++pair) kernels::tanh_bias(units_, bias, states + pair * units_);
}

void InitialStates::begin_backward() {
  if (kind_ == StateInit::kZero) return;
  summary_gradient_.reshape(summary_.rows(), summary_.width());
  summary_gradient_.zero();
}

void InitialStates::add_backward(const Pass& pass, const std::string& name, const float* states, float* gradient,
                                 std::span<float> gradients) {
  if (kind_ == StateInit::kZero) return;
  const std::int64_t pairs = summary_.rows(), width = summary_.width();
  const Tensor &weight = pass.parameters.tensor(name + ".weight"), &bias = pass.parameters.tensor(name + ".bias");
  kernels::tanh_backward(pairs * units_, states, gradient);
  product(pass.team, units_, width, pairs, {gradient, units_, Transposed::kYes}, summary_.view(), 0,
          gradients.data() + weight.offset, width);
  column_sums(pass.team, pairs, units_, gradient, units_, 0, gradients.data() + bias.offset);
  product(pass.team, pairs, width, units_, {gradient, units_}, {pass.parameters.of(weight).data(), width}, 1,
          summary_gradient_.row(0), width);
}

void InitialStates::finish_backward(SourceRows& source) const {
  if (kind_ == StateInit::kZero) return;
  const std::int64_t width = summary_.width();
  for (std::int64_t pair = 0; pair < summary_.rows(); ++pair) {
    const float* from = summary_gradient_.row(pair);
    if (kind_ == StateInit::kLast) {
      kernels::add(width, from, source.gradient.row(source.last(pair)));
      continue;
    }
    const float share = 1 / static_cast<float>(source.length(pair));
    for (std::int64_t s = 0; s < source.length(pair); ++s)
      kernels::add_scaled(width, share, from, source.gradient.row(source.first(pair) + s));
  }
}

}  // namespace clary::seq2seq
