// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/model/mxnet.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <span>

#include "base/error.h"
#include "base/json.h"
#include "learning/artifact/symbol_graph.h"

namespace clary::ntm {
namespace {

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, "ntm: params: " + message); }

/// [columns, rows]: columns [from, from + count) of rows [0, rows) of m, turned to MXNet's (output, input).
NamedArray turned(std::string name, const Matrix& m, std::int64_t rows, std::int64_t from, std::int64_t count,
                  float factor = 1) {
  NamedArray a{std::move(name), {count, rows}, std::vector<float>(static_cast<std::size_t>(count * rows))};
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < count; ++c) {
      a.values[static_cast<std::size_t>(c * rows + r)] = factor * m.at(r, from + c);
    }
  }
  return a;
}

NamedArray one_row(std::string name, const Matrix& m, std::int64_t row, std::int64_t from, std::int64_t count,
                   float factor = 1) {
  NamedArray a{std::move(name), {count}, {}};
  for (std::int64_t c = 0; c < count; ++c) a.values.push_back(factor * m.at(row, from + c));
  return a;
}

/// The one description of which matrix goes under which name: f(name, matrix, rows, first column, columns, factor) for
/// weights, g(name, matrix, row, first column, columns, factor) for vectors.
template <class P, class F, class G>
void each_array(P& p, F&& weight, G&& vector) {
  const Shape& s = p.shape;
  weight("arg:enc_0_weight", p.embedding, s.vocabulary, 0, s.layers[0], 1.0f);
  vector("arg:enc_0_bias", p.embedding_bias, 0, 0, s.layers[0], 1.0f);
  for (std::size_t l = 1; l < s.layers.size(); ++l) {
    weight(fmt::format("arg:enc_{}_weight", l), p.hidden[l - 1], s.layers[l - 1], 0, s.layers[l], 1.0f);
    vector(fmt::format("arg:enc_{}_bias", l), p.hidden[l - 1], s.layers[l - 1], 0, s.layers[l], 1.0f);
  }
  // The head gives log sigma; the names say log variance, which is twice that (exact in binary).
  const std::int64_t last = s.layers.back();
  weight("arg:mean_weight", p.head, last, 0, s.topics, 1.0f);
  vector("arg:mean_bias", p.head, last, 0, s.topics, 1.0f);
  weight("arg:logvar_weight", p.head, last, s.half(), s.topics, 2.0f);
  vector("arg:logvar_bias", p.head, last, s.half(), s.topics, 2.0f);
  weight("arg:projection_weight", p.decoder, s.topics, 0, s.vocabulary, 1.0f);
  vector("arg:projection_bias", p.decoder, s.topics, 0, s.vocabulary, 1.0f);
  for (std::size_t l = 0; l < p.shift.size(); ++l) {
    vector(fmt::format("arg:enc_{}_bn_beta", l), p.shift[l], 0, 0, s.layers[l], 1.0f);
    vector(fmt::format("aux:enc_{}_bn_moving_mean", l), p.running_mean[l], 0, 0, s.layers[l], 1.0f);
    vector(fmt::format("aux:enc_{}_bn_moving_var", l), p.running_variance[l], 0, 0, s.layers[l], 1.0f);
  }
}

}  // namespace

std::vector<NamedArray> to_arrays(const Parameters& p) {
  std::vector<NamedArray> out;
  const auto weight = [&](std::string name, const Matrix& m, std::int64_t rows, std::int64_t from, std::int64_t count,
                          float factor) { out.push_back(turned(std::move(name), m, rows, from, count, factor)); };
  const auto vector = [&](std::string name, const Matrix& m, std::int64_t row, std::int64_t from, std::int64_t count,
                          float factor) { out.push_back(one_row(std::move(name), m, row, from, count, factor)); };
  each_array(p, weight, vector);
  for (std::size_t l = 0; l < p.shift.size(); ++l) {  // fixed to 1 (fix_gamma), but MXNet's loader wants it
    const std::int64_t units = p.shape.layers[l];
    out.push_back(
        {fmt::format("arg:enc_{}_bn_gamma", l), {units}, std::vector<float>(static_cast<std::size_t>(units), 1.0f)});
  }
  return out;
}

Parameters from_arrays(const std::vector<NamedArray>& arrays, const Shape& shape) {
  std::map<std::string_view, const NamedArray*> by_name;
  for (const NamedArray& a : arrays) by_name.emplace(a.name, &a);
  const auto find = [&](const std::string& name, const std::vector<std::int64_t>& wanted) -> const NamedArray& {
    const auto found = by_name.find(name);
    if (found == by_name.end()) malformed(fmt::format("array {} is missing", name));
    const NamedArray& a = *found->second;
    if (a.shape != wanted) malformed(fmt::format("array {} has not the shape that meta.json promises", name));
    for (const float x : a.values) {
      if (!std::isfinite(x)) malformed(fmt::format("array {} holds a number that is not finite", name));
    }
    return a;
  };
  // Checked before allocating: a lying meta.json must not make the matrices of Parameters huge.
  find("arg:enc_0_weight", {shape.layers.front(), shape.vocabulary});
  find("arg:projection_weight", {shape.vocabulary, shape.topics});
  for (std::size_t l = 1; l < shape.layers.size(); ++l) {
    find(fmt::format("arg:enc_{}_weight", l), {shape.layers[l], shape.layers[l - 1]});
  }
  Parameters p(shape);
  const auto weight = [&](const std::string& name, Matrix& m, std::int64_t rows, std::int64_t from, std::int64_t count,
                          float factor) {
    // Every array is checked by name, shape and values; arrays that no one asks for are ignored.
    const NamedArray& a = find(name, {count, rows});
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < count; ++c) {
        m.at(r, from + c) = a.values[static_cast<std::size_t>(c * rows + r)] / factor;
      }
    }
  };
  const auto vector = [&](const std::string& name, Matrix& m, std::int64_t row, std::int64_t from, std::int64_t count,
                          float factor) {
    const NamedArray& a = find(name, {count});
    for (std::int64_t c = 0; c < count; ++c) m.at(row, from + c) = a.values[static_cast<std::size_t>(c)] / factor;
  };
  each_array(p, weight, vector);
  return p;
}

// The graph of inference, for programs that load the archive with MXNet: only the mean, without sampling.
std::string symbol_json(const Shape& shape) {
  artifact::SymbolGraph graph;
  const auto affine = [&](std::size_t in, const std::string& name, std::int64_t units) {
    const std::size_t weight = graph.variable(name + "_weight"), bias = graph.variable(name + "_bias");
    return graph.add("FullyConnected", name, {{"num_hidden", std::to_string(units)}}, {in, weight, bias});
  };
  std::size_t top = graph.variable("data");
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const std::string name = fmt::format("enc_{}", l);
    top = affine(top, name, shape.layers[l]);
    if (shape.batch_norm) {
      std::vector<std::size_t> inputs{top};
      for (const char* part : {"_bn_gamma", "_bn_beta", "_bn_moving_mean", "_bn_moving_var"})
        inputs.push_back(graph.variable(name + part));
      top =
          graph.add("BatchNorm", name + "_bn", {{"eps", "0.001"}, {"momentum", "0.9"}, {"fix_gamma", "True"}}, inputs);
    }
    top = graph.add("Activation", name + "_act", {{"act_type", activation_name(shape.activation)}}, {top});
  }
  top = affine(top, "mean", shape.topics);
  return graph.json(graph.add("softmax", "topic_weights", {{"axis", "-1"}}, {top}));
}

std::string_view activation_name(kernels::Activation activation) {
  switch (activation) {
    case kernels::Activation::kSigmoid:
      return "sigmoid";
    case kernels::Activation::kTanh:
      return "tanh";
    case kernels::Activation::kRelu:
      return "relu";
  }
  return "";
}

kernels::Activation activation_named(std::string_view name) {
  for (const auto a : {kernels::Activation::kSigmoid, kernels::Activation::kTanh, kernels::Activation::kRelu}) {
    if (activation_name(a) == name) return a;
  }
  throw Error(Kind::kMalformed, fmt::format("ntm: meta.json: activation '{}' is none of sigmoid, tanh, relu", name));
}

}  // namespace clary::ntm
