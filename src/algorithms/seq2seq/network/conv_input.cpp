// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/conv_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "algorithms/seq2seq/network/embedding.h"
#include "base/error.h"
#include "learning/nn/product.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

using nn::product;
using nn::Transposed;
using numeric::at;

void zero_padding(const Side& side, std::int64_t begin, std::int64_t end, std::int64_t width, float* x) {
  for (std::int64_t r = begin; r < end; ++r)
    if (r / side.batch >= side.lengths[at(r % side.batch)]) std::fill_n(x + r * width, width, 0.0F);
}

ConvInput::ConvInput(const std::string& name, std::string table, std::int64_t embed_width, std::int64_t units,
                     double dropout_share, std::uint32_t dropout_stream)
    : position_(name + ".pos"),
      projection_(name + ".in.weight"),
      table_(std::move(table)),
      width_(embed_width),
      units_(units),
      share_(dropout_share),
      stream_(dropout_stream) {}

void ConvInput::forward(const Pass& pass, const Side& side, float* h) {
  const Tensor& position = pass.parameters.tensor(position_);
  if (side.steps > position.shape[0])
    throw Error(Kind::kInternal,
                fmt::format("{}: {} steps exceed the {} positions", position_, side.steps, position.shape[0]));
  embedded_.resize(at(side.rows() * width_));
  const std::span<const float> places = pass.parameters.of(position), table = pass.parameters.of(table_);
  const std::span<const float> projection = pass.parameters.of(projection_);
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(side.rows(), thread, pass.team.size());
    if (begin == end) return;
    embed(table, width_, side.ids, dropout_mask(pass, share_, stream_), begin, end, embedded_.data());
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t i = 0; i < width_; ++i)
        embedded_[at(r * width_ + i)] += places[at(r / side.batch * width_ + i)];
    product(end - begin, units_, width_, {embedded_.data() + begin * width_, width_},
            {projection.data(), width_, Transposed::kYes}, 0.0F, h + begin * units_, units_);
    zero_padding(side, begin, end, units_, h);
  });
}

void ConvInput::backward(const Pass& pass, const Side& side, const float* dh, std::span<float> gradients) {
  delta_.resize(embedded_.size());
  const std::span<const float> projection = pass.parameters.of(projection_);
  float* projection_gradient = gradients.data() + pass.parameters.tensor(projection_).offset;
  const int threads = pass.team.size();
  pass.team.run([&](int thread) {
    const auto [first_unit, last_unit] = numeric::share(units_, thread, threads);
    if (first_unit < last_unit)
      product(last_unit - first_unit, width_, side.rows(), {dh + first_unit, units_, Transposed::kYes},
              {embedded_.data(), width_}, 0.0F, projection_gradient + first_unit * width_, width_);
    const auto [begin, end] = numeric::share(side.rows(), thread, threads);
    if (begin < end)
      product(end - begin, width_, units_, {dh + begin * units_, units_}, {projection.data(), width_}, 0.0F,
              delta_.data() + begin * width_, width_);
  });
  gradient_of_positions(pass, side, gradients);
  const Tensor& table = pass.parameters.tensor(table_);
  embed_backward(pass.team, width_, side.ids, dropout_mask(pass, share_, stream_), delta_.data(),
                 gradients.subspan(at(table.offset), at(table.size)));
}

/// The sum over the pairs of a step; zero for steps that the batch does not have. Threads divide the columns.
void ConvInput::gradient_of_positions(const Pass& pass, const Side& side, std::span<float> gradients) const {
  const Tensor& position = pass.parameters.tensor(position_);
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(width_, thread, pass.team.size(), numeric::kPad);
    for (std::int64_t t = 0; t < position.shape[0]; ++t) {
      float* out = gradients.data() + position.offset + t * width_;
      std::fill(out + begin, out + end, 0.0F);
      if (t >= side.steps) continue;
      for (std::int64_t r = t * side.batch; r < (t + 1) * side.batch; ++r)
        for (std::int64_t i = begin; i < end; ++i) out[i] += delta_[at(r * width_ + i)];
    }
  });
}

}  // namespace clary::seq2seq
