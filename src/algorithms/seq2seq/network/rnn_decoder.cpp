// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/rnn_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "algorithms/seq2seq/kernels/rows.h"
#include "algorithms/seq2seq/network/embedding.h"

namespace clary::seq2seq {

using nn::Transposed;
using numeric::at;

namespace {

nn::Rows<const float> read(nn::Rows<float> rows) { return {rows.values, rows.stride}; }

void copy_rows(nn::Rows<const float> from, std::int64_t n, std::int64_t width, nn::Rows<float> to) {
  for (std::int64_t i = 0; i < n; ++i) std::copy_n(from.row(i), width, to.row(i));
}

void add_rows(nn::Rows<const float> from, std::int64_t n, std::int64_t width, nn::Rows<float> to) {
  for (std::int64_t i = 0; i < n; ++i) kernels::add(width, from.row(i), to.row(i));
}

std::string init_name(std::size_t layer, char state) { return fmt::format("decoder.init.{}.{}", layer, state); }

}  // namespace

struct RnnDecoder::Carried {
  std::vector<nn::Rows<float>> h, c;  // of each layer, from step to step
  std::vector<Matrix> output;         // of each layer's output
  Matrix fed;                         // of the attentional vector, from step to step
  Matrix joined;                      // of [r ; c]
  Matrix context;                     // where upper layers read it
};

RnnDecoder::RnnDecoder(const Architecture& a, const Dropout& dropout)
    : architecture_(a),
      dropout_(dropout),
      attention_(a),
      initial_(a),
      inputs_(at(a.decoder_layers)),
      context_inputs_(at(a.decoder_layers)),
      outputs_(at(a.decoder_layers)) {
  const std::int64_t d = a.rnn_hidden, upper = d + (a.context_in_upper_layers() ? a.encoder_width() : 0);
  for (std::int64_t k = 0; k < a.decoder_layers; ++k)
    layers_.emplace_back(a, fmt::format("decoder.l{}", k), k == 0 ? a.num_embed_target + d : upper, d);
}

template <class F>
void RnnDecoder::for_each_part(const Pass& pass, F&& f) {
  pass.team.run([&](int thread) {
    if (thread >= parts_) return;
    const auto [begin, end] = balanced_share(pass.batch.target_length, thread, parts_);
    if (begin < end) f(Part{thread, begin, end});
  });
}

void RnnDecoder::assign_step_matrices(const Pass& pass) {
  const std::int64_t d = architecture_.rnn_hidden, context = architecture_.encoder_width(), joined = d + context;
  feeding_.assign(pass.team, pass.trains, layers_[0].input_weight(architecture_.num_embed_target, d));
  for (std::size_t k = 1; k < layers_.size(); ++k) {
    inputs_[k].assign(pass.team, pass.trains, layers_[k].input_weight(0, d));
    if (reads_context(k)) context_inputs_[k].assign(pass.team, pass.trains, layers_[k].input_weight(d, context));
  }
  const float* weight = pass.parameters.of("decoder.hidden.weight").data();
  hidden_weight_.assign(pass.team, pass.trains, {weight, joined, d, joined});
  hidden_bias_ = pass.parameters.of("decoder.hidden.bias").data();
}

void RnnDecoder::begin(const Pass& pass, std::span<const float> encoded) {
  const Batch& batch = pass.batch;
  const std::int64_t d = architecture_.rnn_hidden, context = architecture_.encoder_width();
  steps_.assign(batch.target_length);
  parts_ = time_loop_parts(batch.rows, pass.team.size());
  source_.assign(pass, encoded, context);
  const std::int64_t rows = steps_.rows();
  ids_.resize(at(rows));
  for (std::int64_t t = 0; t < steps_.steps(); ++t)
    std::copy_n(batch.input.begin() + t * batch.rows, steps_.active(t), ids_.begin() + steps_.first_row(t));
  embedded_.reshape(rows, architecture_.num_embed_target);
  fed_.reshape(rows, d);
  for (Matrix& output : outputs_) output.reshape(rows, d);
  if (architecture_.context_in_upper_layers()) contexts_.reshape(rows, context);
  joined_.reshape(rows, d + context);
  attentional_.reshape(rows, d);
  features_.reshape(batch.target_steps * batch.rows, d);
  for (CellLayer& layer : layers_) layer.begin(pass, rows);
  attention_.begin(pass, source_, rows, parts_);
  assign_step_matrices(pass);
  initial_.begin(pass, source_);
  // Rows of step 0 are 0 .. B - 1.
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    initial_.assign(pass, init_name(k, 'h'), layers_[k].before().row(0));
    if (layers_[k].is_lstm()) initial_.assign(pass, init_name(k, 'c'), layers_[k].cell_before().row(0));
  }
  std::fill_n(fed_.row(0), batch.rows * d, 0.0F);
}

std::span<const float> RnnDecoder::forward(const Pass& pass, std::span<const float> encoded) {
  begin(pass, encoded);
  const kernels::DropoutMask mask = dropout_mask(pass, dropout_.embed_target, kernels::kTargetEmbedding);
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(steps_.rows(), thread, pass.team.size());
    embed(pass.parameters.of("target_embed.weight"), embedded_.width(), ids_, mask, begin, end, embedded_.row(0));
  });
  layers_[0].add_input(pass.team, 0, embedded_.width(), embedded_.view(), 0);
  for_each_part(pass, [&](const Part& part) { run(pass, part); });
  return features_.values();
}

void RnnDecoder::run(const Pass& pass, const Part& part) {
  const std::int64_t d = architecture_.rnn_hidden, pairs = pass.batch.rows;
  numeric::UntouchedFloats scratch(at((part.end - part.begin) * layers_[0].gate_width()));
  for (std::int64_t t = 0; t < steps_.steps(); ++t) {
    const std::int64_t n = std::max<std::int64_t>(rows_of(part, t), 0);
    if (n > 0) step(pass, part, t, scratch.data());
    float* features = features_.row(t * pairs + part.begin);
    copy_rows(std::as_const(attentional_).from(row_of(part, t)), n, d, {features, d});
    std::fill_n(features + n * d, (part.end - part.begin - n) * d, 0.0F);
  }
}

/// Cell, what it hands to the next step, and the residual connection.
void RnnDecoder::step_layer(std::size_t layer, const Part& part, std::int64_t t, float* scratch) {
  const std::int64_t row = row_of(part, t), n = rows_of(part, t);
  CellLayer& cell = layers_[layer];
  const nn::Rows<float> out = outputs_[layer].from(row);
  cell.step(row, n, scratch, out);
  if (t + 1 < steps_.steps()) {
    const std::int64_t next_n = std::max<std::int64_t>(rows_of(part, t + 1), 0);
    cell.carry(row, n, read(out), row_of(part, t + 1), next_n);
  }
  if (is_residual(layer)) add_rows(std::as_const(outputs_[layer - 1]).from(row), n, cell.units(), out);
}

void RnnDecoder::step(const Pass& pass, const Part& part, std::int64_t t, float* scratch) {
  const std::int64_t d = architecture_.rnn_hidden, context_width = architecture_.encoder_width();
  const std::int64_t row = row_of(part, t), n = rows_of(part, t);
  const nn::Rows<float> context = architecture_.context_in_upper_layers() ? contexts_.from(row) : joined_.from(row, d);
  const auto attend = [&] {
    attention_.step(row, part.begin, n, std::as_const(outputs_[query_layer()]).from(row), context);
  };
  feeding_.forward.add_product(n, std::as_const(fed_).from(row), layers_[0].gates().from(row));
  step_layer(0, part, t, scratch);
  if (query_layer() == 0) attend();
  for (std::size_t k = 1; k < layers_.size(); ++k) {
    const nn::Rows<float> gates = layers_[k].gates().from(row);
    inputs_[k].forward.multiply(n, std::as_const(outputs_[k - 1]).from(row), gates);
    if (reads_context(k)) context_inputs_[k].forward.add_product(n, read(context), gates);
    step_layer(k, part, t, scratch);
  }
  if (query_layer() != 0) attend();
  copy_rows(std::as_const(outputs_.back()).from(row), n, d, joined_.from(row));
  if (architecture_.context_in_upper_layers()) copy_rows(read(context), n, context_width, joined_.from(row, d));
  kernels::drop(dropout_mask(pass, dropout_.decoder_hidden, kernels::kDecoderHidden), row, n, joined_.width(),
                joined_.row(row), joined_.width());
  const nn::Rows<float> attentional = attentional_.from(row);
  hidden_weight_.forward.multiply(n, std::as_const(joined_).from(row), attentional);
  for (std::int64_t i = 0; i < n; ++i) kernels::tanh_bias(d, hidden_bias_, attentional.row(i));
  if (t + 1 < steps_.steps())
    copy_rows(read(attentional), std::max<std::int64_t>(rows_of(part, t + 1), 0), d, fed_.from(row_of(part, t + 1)));
}

void RnnDecoder::run_backward(const Pass& pass, const Part& part, std::span<const float> feature_gradient) {
  const std::int64_t d = architecture_.rnn_hidden, pairs = pass.batch.rows, own = part.end - part.begin;
  Carried carried;
  carried.output.resize(layers_.size());
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    carried.h.push_back(state_gradients_[k].from(part.begin));
    carried.c.push_back(layers_[k].is_lstm() ? state_gradients_[layers_.size() + k].from(part.begin)
                                             : nn::Rows<float>());
    carried.output[k].reshape(own, d);
  }
  carried.fed.reshape(own, d);
  carried.fed.zero();
  carried.joined.reshape(own, joined_.width());
  carried.context.reshape(own, architecture_.encoder_width());
  for (std::int64_t t = steps_.steps() - 1; t >= 0; --t) {
    const std::int64_t n = rows_of(part, t);
    if (n <= 0) continue;
    add_rows({feature_gradient.data() + (t * pairs + part.begin) * d, d}, n, d, carried.fed.from(0));
    hidden_backward(pass, part, t, carried);
    step_backward(pass, part, t, carried);
  }
}

/// From the gradient of the attentional vector to those of the top output and of the context.
void RnnDecoder::hidden_backward(const Pass& pass, const Part& part, std::int64_t t, Carried& carried) {
  const std::int64_t d = architecture_.rnn_hidden, row = row_of(part, t), n = rows_of(part, t);
  kernels::tanh_backward(n * d, attentional_.row(row), carried.fed.row(0));
  std::copy_n(carried.fed.row(0), n * d, attentional_.row(row));
  hidden_weight_.backward.multiply(n, std::as_const(carried.fed).from(0), carried.joined.from(0));
  kernels::drop(dropout_mask(pass, dropout_.decoder_hidden, kernels::kDecoderHidden), row, n, joined_.width(),
                carried.joined.row(0), joined_.width());
  const Matrix& joined = carried.joined;
  copy_rows(joined.from(0), n, d, carried.output.back().from(0));
  copy_rows(joined.from(0, d), n, carried.context.width(), carried.context.from(0));
}

/// Layers above the first: output gradients of each become those of the output below, and of the context.
void RnnDecoder::upper_layers_backward(std::int64_t row, std::int64_t n, Carried& carried) {
  const std::int64_t d = architecture_.rnn_hidden;
  for (std::size_t k = layers_.size() - 1; k >= 1; --k) {
    Matrix &own = carried.output[k], &below = carried.output[k - 1];
    add_rows(std::as_const(own).from(0), n, d, carried.h[k]);
    layers_[k].step_backward(row, n, carried.h[k], carried.c[k]);
    const nn::Rows<const float> gates = read(layers_[k].gates().from(row));
    if (is_residual(k))
      copy_rows(std::as_const(own).from(0), n, d, below.from(0));
    else
      std::fill_n(below.row(0), n * d, 0.0F);
    inputs_[k].backward.add_product(n, gates, below.from(0));
    if (reads_context(k)) context_inputs_[k].backward.add_product(n, gates, carried.context.from(0));
  }
}

void RnnDecoder::step_backward(const Pass&, const Part& part, std::int64_t t, Carried& carried) {
  const std::int64_t row = row_of(part, t), n = rows_of(part, t);
  const auto attend_backward = [&] {
    attention_.step_backward(row, part.begin, n, std::as_const(outputs_[query_layer()]).from(row),
                             std::as_const(carried.context).from(0), carried.output[query_layer()].from(0),
                             part.number);
  };
  if (query_layer() != 0) attend_backward();
  upper_layers_backward(row, n, carried);
  if (query_layer() == 0) attend_backward();
  add_rows(std::as_const(carried.output[0]).from(0), n, architecture_.rnn_hidden, carried.h[0]);
  layers_[0].step_backward(row, n, carried.h[0], carried.c[0]);
  feeding_.backward.multiply(n, read(layers_[0].gates().from(row)), carried.fed.from(0));
}

void RnnDecoder::weight_gradients(const Pass& pass, std::span<float> gradients) {
  const std::int64_t d = architecture_.rnn_hidden, embed = embedded_.width(), joined = joined_.width();
  const auto gradient = [&](const char* name) { return gradients.data() + pass.parameters.tensor(name).offset; };
  layers_[0].input_gradient(pass, 0, embed, embedded_.view(), gradients);
  layers_[0].input_gradient(pass, embed, d, fed_.view(), gradients);
  for (std::size_t k = 1; k < layers_.size(); ++k) {
    layers_[k].input_gradient(pass, 0, d, outputs_[k - 1].view(), gradients);
    if (reads_context(k)) layers_[k].input_gradient(pass, d, contexts_.width(), contexts_.view(), gradients);
  }
  for (CellLayer& layer : layers_) layer.gradients(pass, gradients);
  product(pass.team, d, joined, steps_.rows(), attentional_.view(Transposed::kYes), joined_.view(), 0,
          gradient("decoder.hidden.weight"), joined);
  column_sums(pass.team, steps_.rows(), d, attentional_.row(0), d, 0, gradient("decoder.hidden.bias"));
  attention_.finish_backward(pass, outputs_[query_layer()], gradients);
}

void RnnDecoder::backward(const Pass& pass, std::span<const float>, std::span<const float> feature_gradient,
                          std::span<float> gradients, std::span<float> encoded_gradient) {
  const std::size_t layers = layers_.size();
  state_gradients_.resize(layers_[0].is_lstm() ? 2 * layers : layers);
  for (Matrix& states : state_gradients_) {
    states.reshape(pass.batch.rows, architecture_.rnn_hidden);
    states.zero();
  }
  attention_.begin_backward();
  for_each_part(pass, [&](const Part& part) { run_backward(pass, part, feature_gradient); });
  weight_gradients(pass, gradients);
  initial_.begin_backward();
  for (std::size_t k = 0; k < layers; ++k) {
    initial_.add_backward(pass, init_name(k, 'h'), layers_[k].before().row(0), state_gradients_[k].row(0), gradients);
    if (layers_[k].is_lstm())
      initial_.add_backward(pass, init_name(k, 'c'), layers_[k].cell_before().row(0),
                            state_gradients_[layers + k].row(0), gradients);
  }
  initial_.finish_backward(source_);
  source_.scatter_gradient(pass, encoded_gradient);
  embedded_gradient_.reshape(steps_.rows(), embedded_.width());
  layers_[0].input_backward(pass.team, 0, embedded_.width(), 0, embedded_gradient_.row(0));
  const Tensor& table = pass.parameters.tensor("target_embed.weight");
  embed_backward(pass.team, embedded_.width(), ids_,
                 dropout_mask(pass, dropout_.embed_target, kernels::kTargetEmbedding), embedded_gradient_.row(0),
                 gradients.subspan(at(table.offset), at(table.size)));
}

std::unique_ptr<Decoder> make_rnn_decoder(const Architecture& architecture, const Dropout& dropout) {
  return std::make_unique<RnnDecoder>(architecture, dropout);
}

std::int64_t rnn_decoder_floats(const Architecture& a, const BatchShape& shape) {
  const std::int64_t rows = shape.rows * shape.target_steps, source_rows = shape.rows * shape.source_steps;
  const std::int64_t d = a.rnn_hidden, context = a.encoder_width(), layers = a.decoder_layers;
  const std::int64_t cells = layers * CellLayer::floats(a, rows, d);
  const std::int64_t contexts = a.context_in_upper_layers() ? context : 0;
  const std::int64_t per_row = 2 * a.num_embed_target + (layers + 4) * d + contexts + context;
  const std::int64_t attention = AttentionLayer::floats(a, rows, source_rows, shape.source_steps);
  const std::int64_t states = (a.cell == Cell::kLstm ? 2 : 1) * layers * d + 2 * context;
  const std::int64_t loop = (a.gates() + layers + 2) * d + 2 * context;
  const std::int64_t upper = (layers - 1) * a.gates() * d * (d + contexts);
  const std::int64_t packed = 2 * (a.gates() * d * d + upper + d * (d + context));
  return cells + rows * per_row + attention + 2 * source_rows * context + shape.rows * (states + loop) + packed;
}

}  // namespace clary::seq2seq
