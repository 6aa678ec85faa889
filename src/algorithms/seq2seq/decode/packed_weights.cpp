// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/decode/packed_weights.h"

#include <vector>

#include "learning/numeric/index.h"

namespace clary::seq2seq {

using numeric::at;

nn::PackedMatrix Source::matrix(std::string_view name) const {
  const Tensor& tensor = parameters.tensor(name);
  return {tensor.shape[0], tensor.shape[1], parameters.of(tensor).data(), tensor.shape[1], precision};
}

nn::PackedMatrix Source::convolution(std::string_view name) const {
  const Tensor& tensor = parameters.tensor(name);
  const std::int64_t out = tensor.shape[0], in = tensor.shape[1], width = tensor.shape[2];
  const float* from = parameters.of(tensor).data();
  std::vector<float> side_by_side(at(tensor.size));
  for (std::int64_t o = 0; o < out; ++o)
    for (std::int64_t i = 0; i < in; ++i)
      for (std::int64_t j = 0; j < width; ++j)
        side_by_side[at((o * width + j) * in + i)] = from[(o * in + i) * width + j];
  return {out, width * in, side_by_side.data(), width * in, precision};
}

numeric::Floats Source::copy(std::string_view name) const {
  const std::span<const float> values = parameters.of(name);
  return {values.begin(), values.end()};
}

Table::Table(const Source& source, std::string_view name)
    : values(source.copy(name)), width(source.parameters.tensor(name).shape[1]) {}

PackedCell::PackedCell(const Source& source, const std::string& prefix)
    : lstm_(source.architecture.cell == Cell::kLstm),
      input_(source.matrix(prefix + ".weight_ih")),
      recurrent_(source.matrix(prefix + ".weight_hh")),
      bias_input_(source.copy(prefix + ".bias_ih")),
      bias_recurrent_(source.copy(prefix + ".bias_hh")) {}

void PackedCell::input(std::int64_t rows, nn::Rows<const float> x, float* gates) const {
  input_.multiply(rows, x.values, x.stride, gates, gate_width());
}

void PackedCell::step(std::int64_t rows, float* gates, float* scratch, nn::Rows<float> h, nn::Rows<float> c) const {
  const std::int64_t width = gate_width();
  recurrent_.multiply(rows, h.values, h.stride, scratch, width);
  const nn::CellInput in{rows, units(), {scratch, width}, bias_input_.data(), bias_recurrent_.data()};
  const nn::Rows<float> gate_rows{gates, width};
  if (lstm_)
    nn::lstm_forward(in, gate_rows, {c.values, c.stride}, c, h);
  else
    nn::gru_forward(in, gate_rows, {}, {h.values, h.stride}, h);
}

}  // namespace clary::seq2seq
