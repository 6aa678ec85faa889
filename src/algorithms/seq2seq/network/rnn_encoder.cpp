// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/rnn_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "algorithms/seq2seq/kernels/rows.h"
#include "algorithms/seq2seq/network/embedding.h"

namespace clary::seq2seq {

using numeric::at;

RnnEncoder::RnnEncoder(const Architecture& a, const Dropout& dropout)
    : architecture_(a),
      dropout_(dropout),
      forward_(a, "encoder.l0.fwd", a.num_embed_source, a.rnn_hidden / 2),
      backward_(a, "encoder.l0.bwd", a.num_embed_source, a.rnn_hidden / 2),
      outputs_(at(a.encoder_layers)) {
  for (std::int64_t k = 1; k < a.encoder_layers; ++k)
    upper_.emplace_back(a, fmt::format("encoder.l{}", k), a.rnn_hidden, a.rnn_hidden);
}

void RnnEncoder::order_rows(const Batch& batch) {
  order_.resize(at(batch.rows));
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  const auto length = [&](std::int64_t pair) { return batch.source_length[at(pair)]; };
  std::stable_sort(order_.begin(), order_.end(), [&](auto a, auto b) { return length(a) > length(b); });
  lengths_.resize(order_.size());
  std::transform(order_.begin(), order_.end(), lengths_.begin(), length);
  steps_.assign(lengths_);
  ids_.resize(at(steps_.rows()));
  for (std::int64_t t = 0; t < steps_.steps(); ++t)
    for (std::int64_t i = 0; i < steps_.active(t); ++i)
      ids_[at(steps_.first_row(t) + i)] = batch.source[at(t * batch.rows + order_[at(i)])];
}

void RnnEncoder::embed_rows(const Pass& pass) {
  embedded_.reshape(steps_.rows(), architecture_.num_embed_source);
  const kernels::DropoutMask mask = dropout_mask(pass, dropout_.embed_source, kernels::kSourceEmbedding);
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(steps_.rows(), thread, pass.team.size());
    embed(pass.parameters.of("source_embed.weight"), embedded_.width(), ids_, mask, begin, end, embedded_.row(0));
  });
}

/// Step `step` in the direction of reading, sequences [begin, end).
RnnEncoder::StepRows RnnEncoder::step_rows(Direction direction, std::int64_t step, std::int64_t begin,
                                           std::int64_t end) const {
  const bool is_forward = direction == Direction::kForward;
  const std::int64_t last = steps_.steps() - 1;
  const auto count = [&](std::int64_t t) { return std::max<std::int64_t>(std::min(end, steps_.active(t)) - begin, 0); };
  const std::int64_t t = is_forward ? step : last - step, next = is_forward ? t + 1 : t - 1;
  StepRows rows{steps_.first_row(t) + begin, count(t), 0, 0};
  if (next >= 0 && next <= last) rows.next = steps_.first_row(next) + begin, rows.next_n = count(next);
  return rows;
}

void RnnEncoder::run(CellLayer& layer, Direction direction, std::int64_t begin, std::int64_t end, Matrix& out,
                     std::int64_t column) {
  numeric::UntouchedFloats scratch(at((end - begin) * layer.gate_width()));
  const StepRows first = step_rows(direction, 0, begin, end);
  layer.carry(first.row, 0, {}, first.row, first.n);  // zeros
  for (std::int64_t step = 0; step < steps_.steps(); ++step) {
    const StepRows rows = step_rows(direction, step, begin, end);
    if (rows.n > 0) layer.step(rows.row, rows.n, scratch.data(), out.from(rows.row, column));
    layer.carry(rows.row, rows.n, std::as_const(out).from(rows.row, column), rows.next, rows.next_n);
  }
}

void RnnEncoder::run_backward(CellLayer& layer, Direction direction, std::int64_t begin, std::int64_t end,
                              const Matrix& out_gradient, std::int64_t column) {
  const std::int64_t units = layer.units();
  numeric::Floats dh(at((end - begin) * units)), dc(layer.is_lstm() ? dh.size() : 0);
  for (std::int64_t step = steps_.steps() - 1; step >= 0; --step) {
    const StepRows rows = step_rows(direction, step, begin, end);
    // A sequence whose first step in the direction of reading comes later has no gradient to go on with.
    if (rows.n == 0) continue;
    for (std::int64_t i = 0; i < rows.n; ++i)
      kernels::add(units, out_gradient.row(rows.row + i) + column, dh.data() + i * units);
    layer.step_backward(rows.row, rows.n, {dh.data(), units}, {dc.data(), units});
  }
}

// The two directions do not read each other: they run side by side.
void RnnEncoder::first_layer(const Pass& pass) {
  const int parts = time_loop_parts(pass.batch.rows, std::max(pass.team.size() / 2, 1));
  for (CellLayer* layer : {&forward_, &backward_}) {
    layer->begin(pass, steps_.rows());
    layer->add_input(pass.team, 0, embedded_.width(), embedded_.view(), 0);
  }
  pass.team.run([&](int thread) {
    for (int task = thread; task < 2 * parts; task += pass.team.size()) {
      const auto [begin, end] = balanced_share(lengths_, task / 2, parts);
      if (task % 2 == 0)
        run(forward_, Direction::kForward, begin, end, outputs_[0], 0);
      else
        run(backward_, Direction::kBackward, begin, end, outputs_[0], forward_.units());
    }
  });
}

void RnnEncoder::upper_layer(const Pass& pass, std::size_t layer) {
  CellLayer& cell = upper_[layer - 1];
  const Matrix& in = outputs_[layer - 1];
  Matrix& out = outputs_[layer];
  cell.begin(pass, steps_.rows());
  cell.add_input(pass.team, 0, in.width(), in.view(), 0);
  const int parts = time_loop_parts(pass.batch.rows, pass.team.size());
  pass.team.run([&](int thread) {
    if (thread >= parts) return;
    const auto [begin, end] = balanced_share(lengths_, thread, parts);
    run(cell, Direction::kForward, begin, end, out, 0);
  });
  if (!architecture_.is_residual(static_cast<std::int64_t>(layer) + 1)) return;
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(steps_.rows(), thread, pass.team.size());
    kernels::add((end - begin) * in.width(), in.row(begin), out.row(begin));
  });
}

void RnnEncoder::scatter_output(const Pass& pass) {
  const std::int64_t pairs = pass.batch.rows, width = architecture_.rnn_hidden;
  const Matrix& out = outputs_.back();
  encoded_.reshape(steps_.steps() * pairs, width);
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(steps_.steps(), thread, pass.team.size());
    for (std::int64_t t = begin; t < end; ++t)
      for (std::int64_t i = 0; i < pairs; ++i) {
        float* to = encoded_.row(t * pairs + order_[at(i)]);
        if (i < steps_.active(t))
          std::copy_n(out.row(steps_.first_row(t) + i), width, to);
        else
          std::fill_n(to, width, 0.0F);
      }
  });
}

std::span<const float> RnnEncoder::forward(const Pass& pass) {
  order_rows(pass.batch);
  embed_rows(pass);
  for (Matrix& out : outputs_) out.reshape(steps_.rows(), architecture_.rnn_hidden);
  first_layer(pass);
  for (std::size_t layer = 1; layer < outputs_.size(); ++layer) upper_layer(pass, layer);
  scatter_output(pass);
  return encoded_.values();
}

void RnnEncoder::gather_gradient(const Pass& pass, std::span<const float> output_gradient) {
  const std::int64_t pairs = pass.batch.rows, width = architecture_.rnn_hidden;
  gradient_.reshape(steps_.rows(), width);
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(steps_.steps(), thread, pass.team.size());
    for (std::int64_t t = begin; t < end; ++t)
      for (std::int64_t i = 0; i < steps_.active(t); ++i)
        std::copy_n(output_gradient.data() + (t * pairs + order_[at(i)]) * width, width,
                    gradient_.row(steps_.first_row(t) + i));
  });
}

/// gradient_ in: of the layer's output; out: of the output below.
void RnnEncoder::upper_layer_backward(const Pass& pass, std::size_t layer, std::span<float> gradients) {
  CellLayer& cell = upper_[layer - 1];
  const int parts = time_loop_parts(pass.batch.rows, pass.team.size());
  pass.team.run([&](int thread) {
    if (thread >= parts) return;
    const auto [begin, end] = balanced_share(lengths_, thread, parts);
    run_backward(cell, Direction::kForward, begin, end, gradient_, 0);
  });
  const Matrix& in = outputs_[layer - 1];
  cell.input_gradient(pass, 0, in.width(), in.view(), gradients);
  cell.gradients(pass, gradients);
  // A residual layer's output gradient is its input's too.
  const bool residual = architecture_.is_residual(static_cast<std::int64_t>(layer) + 1);
  cell.input_backward(pass.team, 0, in.width(), residual ? 1.0F : 0.0F, gradient_.row(0));
}

void RnnEncoder::first_layer_backward(const Pass& pass, std::span<float> gradients) {
  const int parts = time_loop_parts(pass.batch.rows, std::max(pass.team.size() / 2, 1));
  pass.team.run([&](int thread) {
    for (int task = thread; task < 2 * parts; task += pass.team.size()) {
      const auto [begin, end] = balanced_share(lengths_, task / 2, parts);
      if (task % 2 == 0)
        run_backward(forward_, Direction::kForward, begin, end, gradient_, 0);
      else
        run_backward(backward_, Direction::kBackward, begin, end, gradient_, forward_.units());
    }
  });
  embedded_gradient_.reshape(steps_.rows(), embedded_.width());
  for (CellLayer* layer : {&forward_, &backward_}) {
    layer->input_gradient(pass, 0, embedded_.width(), embedded_.view(), gradients);
    layer->gradients(pass, gradients);
    layer->input_backward(pass.team, 0, embedded_.width(), layer == &forward_ ? 0.0F : 1.0F, embedded_gradient_.row(0));
  }
}

void RnnEncoder::backward(const Pass& pass, std::span<const float> output_gradient, std::span<float> gradients) {
  gather_gradient(pass, output_gradient);
  for (std::size_t layer = outputs_.size() - 1; layer >= 1; --layer) upper_layer_backward(pass, layer, gradients);
  first_layer_backward(pass, gradients);
  const Tensor& table = pass.parameters.tensor("source_embed.weight");
  embed_backward(pass.team, embedded_.width(), ids_,
                 dropout_mask(pass, dropout_.embed_source, kernels::kSourceEmbedding), embedded_gradient_.row(0),
                 gradients.subspan(at(table.offset), at(table.size)));
}

std::unique_ptr<Encoder> make_rnn_encoder(const Architecture& architecture, const Dropout& dropout) {
  return std::make_unique<RnnEncoder>(architecture, dropout);
}

std::int64_t rnn_encoder_floats(const Architecture& a, const BatchShape& shape) {
  const std::int64_t rows = shape.rows * shape.source_steps;
  const std::int64_t cells = 2 * CellLayer::floats(a, rows, a.rnn_hidden / 2) +
                             (a.encoder_layers - 1) * CellLayer::floats(a, rows, a.rnn_hidden);
  const std::int64_t per_row = 2 * a.num_embed_source + (a.encoder_layers + 2) * a.rnn_hidden;
  const std::int64_t loop = shape.rows * (a.gates() + 2) * a.rnn_hidden;
  return cells + rows * per_row + loop;
}

}  // namespace clary::seq2seq
