// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::seq2seq {
namespace {

/// MXNet's Orthogonal has this scale by default: sqrt(2).
constexpr double kOrthogonalScale = 1.414;

double fan(const Tensor& tensor, XavierFactor factor) {
  double width = 1;
  for (std::size_t i = 2; i < tensor.shape.size(); ++i) width *= static_cast<double>(tensor.shape[i]);
  const double out = static_cast<double>(tensor.shape[0]) * width, in = static_cast<double>(tensor.shape[1]) * width;
  switch (factor) {
    case XavierFactor::kIn:
      return in;
    case XavierFactor::kOut:
      return out;
    case XavierFactor::kAvg:
      return (in + out) / 2;
  }
  return in;
}

/// Uniform in [-1, 1).
double signed_unit(numeric::PhiloxStream& random) { return static_cast<double>(random.next64() >> 11) * 0x1p-52 - 1; }

/// Columns made orthonormal (QR by Cholesky: q = a u^-1 with u^T u = a^T a, u upper triangular). A random matrix that
/// is three or four times as tall as wide has a condition number below 4, for which one pass in float64 is exact to
/// float32.
void orthonormalise(std::vector<double>& a, std::int64_t rows, std::int64_t columns) {
  std::vector<double> gram(numeric::at(columns * columns), 0.0);
  const auto u = [&](std::int64_t i) { return gram.data() + i * columns; };
  const auto subtract = [](double factor, const double* from, std::int64_t begin, std::int64_t end, double* to) {
    for (std::int64_t k = begin; k < end; ++k) to[k] -= factor * from[k];
  };
  for (std::int64_t r = 0; r < rows; ++r) {
    const double* row = a.data() + r * columns;
    for (std::int64_t i = 0; i < columns; ++i) subtract(-row[i], row, i, columns, u(i));
  }
  for (std::int64_t j = 0; j < columns; ++j) {  // gram becomes u, row by row
    const double diagonal = std::sqrt(u(j)[j]);
    for (std::int64_t k = j; k < columns; ++k) u(j)[k] /= diagonal;
    for (std::int64_t i = j + 1; i < columns; ++i) subtract(u(j)[i], u(j), i, columns, u(i));
  }
  for (std::int64_t r = 0; r < rows; ++r) {  // q u = a, one row of q after the other
    double* row = a.data() + r * columns;
    for (std::int64_t j = 0; j < columns; ++j) {
      row[j] /= u(j)[j];
      subtract(row[j], u(j), j + 1, columns, row);
    }
  }
}

}  // namespace

Parameters::Parameters(const Architecture& a) {
  add_all(a);
  const std::int64_t floats = list_.back().offset + numeric::padded(list_.back().size);
  values_.assign(numeric::at(floats), 0.0F);
}

std::vector<Tensor> Parameters::tensors(const Architecture& a) {
  Parameters out;
  out.add_all(a);
  return std::move(out.list_);
}

std::int64_t Parameters::learned(const Architecture& a) { return learned(tensors(a)); }

void Parameters::add_all(const Architecture& a) {
  add("source_embed.weight", {a.source_vocabulary, a.num_embed_source}, Start::kWeight);
  add("target_embed.weight", {a.target_vocabulary, a.num_embed_target}, Start::kWeight);
  if (a.encoder == NetworkType::kRnn)
    add_rnn_encoder(a);
  else
    add_cnn("encoder", a, a.num_embed_source, a.max_seq_len_source, a.encoder_layers, a.kernel_width_encoder);
  if (a.decoder == NetworkType::kRnn)
    add_rnn_decoder(a);
  else
    add_cnn("decoder", a, a.num_embed_target, a.max_seq_len_target, a.decoder_layers, a.kernel_width_decoder);
  add("output.weight", {a.target_vocabulary, a.decoder_width()}, Start::kWeight);
  add("output.bias", {a.target_vocabulary}, Start::kZero);
}

void Parameters::add(std::string name, std::vector<std::int64_t> shape, Start start) {
  Tensor tensor{.name = std::move(name), .shape = std::move(shape), .start = start};
  tensor.size = std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
  if (!list_.empty()) tensor.offset = list_.back().offset + numeric::padded(list_.back().size);
  list_.push_back(std::move(tensor));
}

void Parameters::add_cell(const std::string& prefix, const Architecture& a, std::int64_t in, std::int64_t units) {
  const std::int64_t rows = a.gates() * units;
  add(prefix + ".weight_ih", {rows, in}, Start::kWeight);
  add(prefix + ".weight_hh", {rows, units}, Start::kRecurrent);
  add(prefix + ".bias_ih", {rows}, Start::kZero);
  add(prefix + ".bias_hh", {rows}, Start::kZero);
}

void Parameters::add_rnn_encoder(const Architecture& a) {
  for (const char* direction : {"fwd", "bwd"})
    add_cell(fmt::format("encoder.l0.{}", direction), a, a.num_embed_source, a.rnn_hidden / 2);
  for (std::int64_t k = 1; k < a.encoder_layers; ++k)
    add_cell(fmt::format("encoder.l{}", k), a, a.rnn_hidden, a.rnn_hidden);
}

void Parameters::add_rnn_decoder(const Architecture& a) {
  const std::int64_t d = a.rnn_hidden, context = a.encoder_width();
  for (std::int64_t k = 0; k < a.decoder_layers; ++k) {
    const std::int64_t upper = d + (a.context_in_upper_layers() ? context : 0);
    add_cell(fmt::format("decoder.l{}", k), a, k == 0 ? a.num_embed_target + d : upper, d);
  }
  if (a.state_init != StateInit::kZero)
    for (std::int64_t k = 0; k < a.decoder_layers; ++k)
      for (const char* state : {"h", "c"}) {
        if (*state == 'c' && a.cell == Cell::kGru) continue;
        add(fmt::format("decoder.init.{}.{}.weight", k, state), {d, context}, Start::kWeight);
        add(fmt::format("decoder.init.{}.{}.bias", k, state), {d}, Start::kZero);
      }
  add_attention(a);
  add("decoder.hidden.weight", {d, d + context}, Start::kWeight);
  add("decoder.hidden.bias", {d}, Start::kZero);
}

void Parameters::add_attention(const Architecture& a) {
  const std::int64_t d = a.rnn_hidden, context = a.encoder_width(), units = a.attention_hidden;
  if (a.attention == Attention::kMlp || (a.attention == Attention::kDot && context != units))
    add("attention.source.weight", {units, context}, Start::kWeight);
  if (a.attention == Attention::kMlp || (a.attention == Attention::kDot && d != units))
    add("attention.query.weight", {units, d}, Start::kWeight);
  if (a.attention == Attention::kMlp) add("attention.v.weight", {1, units}, Start::kWeight);
  if (a.attention == Attention::kBilinear) add("attention.source.weight", {d, context}, Start::kWeight);
}

void Parameters::add_cnn(const std::string& side, const Architecture& a, std::int64_t embed, std::int64_t positions,
                         std::int64_t layers, std::int64_t kernel_width) {
  add(side + ".pos", {positions, embed}, Start::kWeight);
  add(side + ".in.weight", {a.cnn_hidden, embed}, Start::kWeight);
  for (std::int64_t k = 0; k < layers; ++k) {
    add(fmt::format("{}.conv{}.weight", side, k), {a.conv_outputs(), a.cnn_hidden, kernel_width}, Start::kWeight);
    add(fmt::format("{}.conv{}.bias", side, k), {a.conv_outputs()}, Start::kZero);
  }
}

const Tensor* Parameters::find(std::string_view name) const {
  const auto found = std::find_if(list_.begin(), list_.end(), [&](const Tensor& t) { return t.name == name; });
  return found == list_.end() ? nullptr : &*found;
}

const Tensor& Parameters::tensor(std::string_view name) const {
  const Tensor* found = find(name);
  if (found == nullptr) throw Error(clary::Kind::kInternal, fmt::format("seq2seq: no parameter '{}'", name));
  return *found;
}

std::span<const float> Parameters::of(std::string_view name) const { return of(tensor(name)); }

std::int64_t Parameters::learned(std::span<const Tensor> list) {
  return std::accumulate(list.begin(), list.end(), std::int64_t{0},
                         [](std::int64_t sum, const Tensor& t) { return sum + t.size; });
}

void Parameters::initialise(const InitOptions& options, std::uint64_t seed) {
  for (std::size_t i = 0; i < list_.size(); ++i) {  // a stream of random numbers for each tensor
    const Tensor& tensor = list_[i];
    const std::span<float> out = of(tensor);
    numeric::PhiloxStream random(seed, i);
    if (tensor.start == Start::kZero) {
      std::fill(out.begin(), out.end(), 0.0F);
    } else if (tensor.start == Start::kRecurrent) {
      std::vector<double> draws(out.size());
      std::generate(draws.begin(), draws.end(), [&] { return signed_unit(random); });
      orthonormalise(draws, tensor.shape[0], tensor.shape[1]);
      std::transform(draws.begin(), draws.end(), out.begin(),
                     [](double x) { return static_cast<float>(kOrthogonalScale * x); });
    } else {
      const double bound = options.type == WeightInit::kUniform
                               ? std::abs(options.scale)
                               : std::sqrt(options.scale / fan(tensor, options.factor));
      std::generate(out.begin(), out.end(), [&] { return static_cast<float>(bound * signed_unit(random)); });
    }
  }
}

}  // namespace clary::seq2seq
