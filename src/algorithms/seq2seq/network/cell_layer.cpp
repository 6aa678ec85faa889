// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/cell_layer.h"

#include <algorithm>
#include <utility>

namespace clary::seq2seq {
namespace {

using nn::Transposed;

void copy_rows(nn::Rows<const float> from, std::int64_t n, std::int64_t width, Matrix& to, std::int64_t row,
               std::int64_t to_n) {
  const std::int64_t both = std::min(n, to_n);
  for (std::int64_t i = 0; i < both; ++i) std::copy_n(from.row(i), width, to.row(row + i));
  for (std::int64_t i = both; i < to_n; ++i) std::fill_n(to.row(row + i), width, 0.0F);
}

}  // namespace

CellLayer::CellLayer(const Architecture& architecture, std::string prefix, std::int64_t in, std::int64_t units)
    : prefix_(std::move(prefix)),
      cell_(architecture.cell),
      in_(in),
      units_(units),
      gate_width_(architecture.gates() * units) {}

void CellLayer::begin(const Pass& pass, std::int64_t rows) {
  const auto values = [&](const char* name) { return pass.parameters.of(prefix_ + name).data(); };
  weight_ih_ = values(".weight_ih"), weight_hh_ = values(".weight_hh");
  bias_ih_ = values(".bias_ih"), bias_hh_ = values(".bias_hh");
  gates_.reshape(rows, gate_width_);
  before_.reshape(rows, units_);
  (is_lstm() ? cell_state_ : candidate_).reshape(rows, units_);
  if (is_lstm()) cell_before_.reshape(rows, units_);
  recurrent_.assign(pass.team, units_, gate_width_, {weight_hh_, units_, Transposed::kYes});
  if (!pass.trains) return;
  const std::int64_t shared = is_lstm() ? gate_width_ : 2 * units_;  // gates whose gradients are those of U h
  recurrent_backward_.assign(pass.team, shared, units_, {weight_hh_, units_});
  if (!is_lstm()) candidate_backward_.assign(pass.team, units_, units_, {weight_hh_ + shared * units_, units_});
}

void CellLayer::add_input(numeric::Team& team, std::int64_t column, std::int64_t width, const nn::MatrixView& x,
                          float beta) {
  product(team, gates_.rows(), gate_width_, width, x, {weight_ih_ + column, in_, Transposed::kYes}, beta, gates_.row(0),
          gate_width_);
}

WeightView CellLayer::input_weight(std::int64_t column, std::int64_t width) const {
  return {weight_ih_ + column, in_, gate_width_, width};
}

void CellLayer::step(std::int64_t row, std::int64_t n, float* scratch, nn::Rows<float> h) {
  const nn::Rows<const float> before = std::as_const(before_).from(row);
  recurrent_.multiply(n, before, {scratch, gate_width_});
  const nn::CellInput input{n, units_, {scratch, gate_width_}, bias_ih_, bias_hh_};
  if (is_lstm())
    nn::lstm_forward(input, gates_.from(row), std::as_const(cell_before_).from(row), cell_state_.from(row), h);
  else
    nn::gru_forward(input, gates_.from(row), candidate_.from(row), before, h);
}

void CellLayer::carry(std::int64_t row, std::int64_t n, nn::Rows<const float> h, std::int64_t next,
                      std::int64_t next_n) {
  copy_rows(h, n, units_, before_, next, next_n);
  if (is_lstm()) copy_rows(std::as_const(cell_state_).from(row), n, units_, cell_before_, next, next_n);
}

void CellLayer::step_backward(std::int64_t row, std::int64_t n, nn::Rows<float> dh, nn::Rows<float> dc) {
  const nn::Rows<float> gates = gates_.from(row);
  const nn::Rows<const float> gate_gradients{gates.values, gates.stride};
  if (is_lstm()) {
    nn::lstm_backward(n, units_, gates, std::as_const(cell_before_).from(row), std::as_const(cell_state_).from(row),
                      {dh.values, dh.stride}, dc);
    recurrent_backward_.multiply(n, gate_gradients, dh);
  } else {
    nn::gru_backward(n, units_, gates, candidate_.from(row), std::as_const(before_).from(row), dh);
    recurrent_backward_.add_product(n, gate_gradients, dh);
    candidate_backward_.add_product(n, std::as_const(candidate_).from(row), dh);
  }
}

void CellLayer::input_backward(numeric::Team& team, std::int64_t column, std::int64_t width, float beta,
                               float* dx) const {
  product(team, gates_.rows(), width, gate_width_, gates_.view(), {weight_ih_ + column, in_}, beta, dx, width);
}

void CellLayer::input_gradient(const Pass& pass, std::int64_t column, std::int64_t width, const nn::MatrixView& x,
                               std::span<float> gradients) const {
  float* out = gradients.data() + pass.parameters.tensor(prefix_ + ".weight_ih").offset + column;
  product(pass.team, gate_width_, width, gates_.rows(), gates_.view(Transposed::kYes), x, 0, out, in_);
}

void CellLayer::gradients(const Pass& pass, std::span<float> gradients) const {
  const auto of = [&](const char* name) { return gradients.data() + pass.parameters.tensor(prefix_ + name).offset; };
  float *weight = of(".weight_hh"), *bias_ih = of(".bias_ih"), *bias_hh = of(".bias_hh");
  const std::int64_t rows = gates_.rows(), shared = is_lstm() ? gate_width_ : 2 * units_;
  product(pass.team, shared, units_, rows, gates_.view(Transposed::kYes), before_.view(), 0, weight, units_);
  column_sums(pass.team, rows, gate_width_, gates_.row(0), gate_width_, 0, bias_ih);
  std::copy_n(bias_ih, shared, bias_hh);
  if (is_lstm()) return;
  product(pass.team, units_, units_, rows, candidate_.view(Transposed::kYes), before_.view(), 0,
          weight + shared * units_, units_);
  column_sums(pass.team, rows, units_, candidate_.row(0), units_, 0, bias_hh + shared);
}

std::int64_t CellLayer::floats(const Architecture& architecture, std::int64_t rows, std::int64_t units) {
  const std::int64_t states = architecture.cell == Cell::kLstm ? 3 : 2;
  const std::int64_t packed = 2 * architecture.gates() * units * units;  // the recurrent weight, for both directions
  return rows * (architecture.gates() + states) * units + packed;
}

}  // namespace clary::seq2seq
