// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/mxnet.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <map>
#include <span>

#include "base/error.h"
#include "base/json.h"

namespace clary::ntm {
namespace {

constexpr std::uint64_t kListMagic = 0x112;
constexpr std::uint32_t kArrayMagic = 0xF993FAC9;  // NDARRAY_V2_MAGIC
constexpr std::uint64_t kMaxArrays = 10'000;
constexpr std::uint32_t kMaxDimensions = 8;
constexpr std::uint64_t kMaxName = 1024;

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, "ntm: params: " + message); }

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T take(const char* what) {
    T value;
    std::memcpy(&value, bytes(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  std::string_view bytes(std::uint64_t n, const char* what) {
    if (n > rest_.size()) {
      malformed(fmt::format("{}: {} bytes wanted, {} left in the file", what, n, rest_.size()));
    }
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

NamedArray read_array(Cursor& in, std::uint64_t number) {
  NamedArray a;
  const auto fail = [&](const std::string& rule) { malformed(fmt::format("array {}: {}", number, rule)); };
  if (in.take<std::uint32_t>("array magic") != kArrayMagic) fail("wrong magic number");
  if (in.take<std::int32_t>("storage type") != 0) fail("sparse storage is not supported");
  const auto dimensions = in.take<std::uint32_t>("number of dimensions");
  if (dimensions == 0 || dimensions > kMaxDimensions) fail(fmt::format("{} dimensions, 1 to 8 allowed", dimensions));
  std::uint64_t size = 1;
  const std::uint64_t limit = in.left() / sizeof(float);
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto n = in.take<std::int64_t>("dimension");
    if (n <= 0 || static_cast<std::uint64_t>(n) > limit || size * static_cast<std::uint64_t>(n) > limit) {
      fail(fmt::format("dimension {} does not fit into the file", n));
    }
    size *= static_cast<std::uint64_t>(n);
    a.shape.push_back(n);
  }
  in.take<std::int32_t>("device type");
  in.take<std::int32_t>("device id");
  if (in.take<std::int32_t>("type flag") != 0) fail("only float32 is supported");
  const std::string_view data = in.bytes(size * sizeof(float), "array data");
  a.values.resize(size);
  std::memcpy(a.values.data(), data.data(), data.size());
  return a;
}

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

std::string write_arrays(const std::vector<NamedArray>& arrays) {
  std::string out;
  std::size_t size = 64;
  for (const NamedArray& a : arrays) size += a.values.size() * sizeof(float) + 64 + a.name.size();
  out.reserve(size);
  put<std::uint64_t>(out, kListMagic);
  put<std::uint64_t>(out, 0);
  put<std::uint64_t>(out, arrays.size());
  for (const NamedArray& a : arrays) {
    put<std::uint32_t>(out, kArrayMagic);
    put<std::int32_t>(out, 0);
    put<std::uint32_t>(out, static_cast<std::uint32_t>(a.shape.size()));
    for (const std::int64_t n : a.shape) put<std::int64_t>(out, n);
    put<std::int32_t>(out, 1);  // CPU
    put<std::int32_t>(out, 0);
    put<std::int32_t>(out, 0);  // float32
    out.append(reinterpret_cast<const char*>(a.values.data()), a.values.size() * sizeof(float));
  }
  put<std::uint64_t>(out, arrays.size());
  for (const NamedArray& a : arrays) {
    put<std::uint64_t>(out, a.name.size());
    out += a.name;
  }
  return out;
}

std::vector<NamedArray> read_arrays(std::string_view bytes) {
  Cursor in(bytes);
  if (in.take<std::uint64_t>("list magic") != kListMagic) malformed("not an MXNet NDArray list (wrong magic number)");
  in.take<std::uint64_t>("reserved word");
  const auto count = in.take<std::uint64_t>("number of arrays");
  if (count > kMaxArrays) malformed(fmt::format("{} arrays, at most {} allowed", count, kMaxArrays));
  std::vector<NamedArray> arrays;
  for (std::uint64_t i = 0; i < count; ++i) arrays.push_back(read_array(in, i));
  const auto names = in.take<std::uint64_t>("number of names");
  if (names != count) malformed(fmt::format("{} names for {} arrays", names, count));
  for (NamedArray& a : arrays) {
    const auto length = in.take<std::uint64_t>("name length");
    if (length > kMaxName) malformed(fmt::format("a name of {} bytes, at most {} allowed", length, kMaxName));
    a.name = std::string(in.bytes(length, "name"));
  }
  return arrays;
}

std::vector<NamedArray> to_arrays(const Parameters& p) {
  std::vector<NamedArray> out;
  const auto weight = [&](std::string name, const Matrix& m, std::int64_t rows, std::int64_t from, std::int64_t count,
                          float factor) { out.push_back(turned(std::move(name), m, rows, from, count, factor)); };
  const auto vector = [&](std::string name, const Matrix& m, std::int64_t row, std::int64_t from, std::int64_t count,
                          float factor) { out.push_back(one_row(std::move(name), m, row, from, count, factor)); };
  each_array(p, weight, vector);
  for (std::size_t l = 0; l < p.shift.size(); ++l) {  // fixed to 1 (fix_gamma), but MXNet's loader wants it
    const std::int64_t units = p.shape.layers[l];
    out.push_back({fmt::format("arg:enc_{}_bn_gamma", l), {units},
                   std::vector<float>(static_cast<std::size_t>(units), 1.0f)});
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

std::string symbol_json(const Shape& shape) {
  Json nodes = Json::array(), arguments = Json::array();
  using Inputs = std::vector<std::size_t>;
  const auto add = [&](const char* op, const std::string& name, const Json& attributes, const Inputs& inputs) {
    Json in = Json::array();
    for (const std::size_t i : inputs) in.push_back({i, 0, 0});
    Json node{{"op", op}, {"name", name}, {"inputs", in}};
    if (!attributes.empty()) node["attrs"] = attributes;
    nodes.push_back(node);
    if (inputs.empty()) arguments.push_back(nodes.size() - 1);
    return nodes.size() - 1;
  };
  const auto variable = [&](const std::string& name) { return add("null", name, Json::object(), {}); };
  const auto affine = [&](std::size_t in, const std::string& name, std::int64_t units) {
    const std::size_t weight = variable(name + "_weight"), bias = variable(name + "_bias");
    return add("FullyConnected", name, {{"num_hidden", std::to_string(units)}}, {in, weight, bias});
  };
  std::size_t top = variable("data");
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const std::string name = fmt::format("enc_{}", l);
    top = affine(top, name, shape.layers[l]);
    if (shape.batch_norm) {
      Inputs inputs{top};
      for (const char* part : {"_bn_gamma", "_bn_beta", "_bn_moving_mean", "_bn_moving_var"}) {
        inputs.push_back(variable(name + part));
      }
      top = add("BatchNorm", name + "_bn", {{"eps", "0.001"}, {"momentum", "0.9"}, {"fix_gamma", "True"}}, inputs);
    }
    top = add("Activation", name + "_act", {{"act_type", activation_name(shape.activation)}}, {top});
  }
  top = affine(top, "mean", shape.topics);
  top = add("softmax", "topic_weights", {{"axis", "-1"}}, {top});
  Json rows = Json::array();
  for (std::size_t i = 0; i <= nodes.size(); ++i) rows.push_back(i);
  const Json root{{"nodes", nodes},
                  {"arg_nodes", arguments},
                  {"node_row_ptr", rows},
                  {"heads", Json::array({Json::array({top, 0, 0})})},
                  {"attrs", {{"mxnet_version", Json::array({"int", 10301})}}}};
  return dump_json(root);
}

std::string_view activation_name(kernels::Activation activation) {
  switch (activation) {
    case kernels::Activation::kSigmoid: return "sigmoid";
    case kernels::Activation::kTanh: return "tanh";
    case kernels::Activation::kRelu: return "relu";
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
