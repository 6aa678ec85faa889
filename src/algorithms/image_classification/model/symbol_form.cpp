// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/symbol_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

constexpr int kMxnetVersion = 10300;  // of the service's container
constexpr std::int64_t kMaxEdge = 1 << 14;

std::string pair_of(std::int64_t n) { return fmt::format("({}, {})", n, n); }

/// "stage1_unit1_bn2" -> "stage1_unit1_relu2", "bn0" -> "relu0"
std::string relu_of(const std::string& norm) {
  std::string out = norm;
  const std::size_t at = out.rfind("bn");
  if (at == std::string::npos) return out + "_relu";
  return out.replace(at, 2, "relu");
}

/// Writes a graph's operations; each of the graph's may become several nodes.
class SymbolWriter {
 public:
  explicit SymbolWriter(const nn::Graph& graph) : graph_(graph) {}

  std::string write(nn::Loss loss) && {
    for (const nn::Op& op : graph_.ops) nodes_.push_back(add(op));
    const auto label = symbol_.variable("softmax_label");
    const auto* output = loss == nn::Loss::kSoftmax ? "SoftmaxOutput" : "LogisticRegressionOutput";
    return symbol_.json(symbol_.add(output, "softmax", Json::object(), {nodes_.back(), label}), kMxnetVersion);
  }

 private:
  std::size_t input(const nn::Op& op, std::size_t i = 0) const { return nodes_[numeric::at(op.inputs[i])]; }

  std::size_t add(const nn::Op& op) {
    switch (op.kind) {
      case nn::OpKind::kInput:
        return symbol_.variable(op.name);
      case nn::OpKind::kConvolution:
        return add_convolution(op);
      case nn::OpKind::kBatchNorm:
        return add_batch_norm(op);
      case nn::OpKind::kRelu:  // after the sum of a block; MXNet numbers it after those of the block's batch norms
        return symbol_.add("Activation", op.name + "3", {{"act_type", "relu"}}, {input(op)});
      case nn::OpKind::kMaxPool:
        return symbol_.add("Pooling", op.name,
                           {{"kernel", pair_of(op.kernel)},
                            {"pad", pair_of(op.pad)},
                            {"pool_type", "max"},
                            {"stride", pair_of(op.stride)}},
                           {input(op)});
      case nn::OpKind::kAdd:
        return symbol_.add("elemwise_add", op.name, Json::object(), {input(op), input(op, 1)});
      case nn::OpKind::kGlobalPool:
        return symbol_.add("Pooling", op.name, {{"global_pool", "True"}, {"kernel", "(7, 7)"}, {"pool_type", "avg"}},
                           {input(op)});
      case nn::OpKind::kLinear:
        return add_linear(op);
    }
    throw Error(Kind::kInternal, op.name + ": no such operation in a symbol");
  }

  std::size_t add_convolution(const nn::Op& op) {
    Json attributes{{"kernel", pair_of(op.kernel)},
                    {"no_bias", "True"},
                    {"num_filter", std::to_string(op.shape.channels)},
                    {"stride", pair_of(op.stride)},
                    {"workspace", "256"}};
    if (!op.name.ends_with("sc")) attributes["pad"] = pair_of(op.pad);  // shortcuts leave the default
    const auto weight = symbol_.variable(op.name + "_weight", attributes);
    return symbol_.add("Convolution", op.name, attributes, {input(op), weight});
  }

  std::size_t add_batch_norm(const nn::Op& op) {
    const Json attributes{
        {"eps", fmt::format("{}", op.epsilon)}, {"fix_gamma", op.gamma_is_one ? "True" : "False"}, {"momentum", "0.9"}};
    std::vector<std::size_t> inputs{input(op)};
    for (const char* suffix : {"_gamma", "_beta"}) inputs.push_back(symbol_.variable(op.name + suffix, attributes));
    Json mean = attributes, variance = attributes;
    mean["__init__"] = R"(["zero", {}])";
    variance["__init__"] = R"(["one", {}])";
    inputs.push_back(symbol_.variable(op.name + "_moving_mean", mean));
    inputs.push_back(symbol_.variable(op.name + "_moving_var", variance));
    const auto norm = symbol_.add("BatchNorm", op.name, attributes, inputs, 2);
    return op.relu ? symbol_.add("Activation", relu_of(op.name), {{"act_type", "relu"}}, {norm}) : norm;
  }

  std::size_t add_linear(const nn::Op& op) {
    const auto flat = symbol_.add("Flatten", "flatten0", Json::object(), {input(op)});
    const Json attributes{{"num_hidden", std::to_string(op.shape.channels)}};
    const auto weight = symbol_.variable(op.name + "_weight", attributes);
    const auto bias = symbol_.variable(op.name + "_bias", attributes);
    return symbol_.add("FullyConnected", op.name, attributes, {flat, weight, bias});
  }

  const nn::Graph& graph_;
  artifact::SymbolGraph symbol_;
  std::vector<std::size_t> nodes_;  // by operation
};

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, "symbol: " + message); }

/// "(3, 3)", "(3,3)", "[3, 3]" -> 3. @throws Error{kMalformed} unless both are equal
std::int64_t edge_of(const artifact::SymbolNode& node, const char* attribute, const std::string& otherwise) {
  const std::string text = node.text(attribute, otherwise);
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] < '0' || text[i] > '9') {
      ++i;
      continue;
    }
    std::int64_t n = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && n < kMaxEdge; ++i) n = n * 10 + (text[i] - '0');
    numbers.push_back(n);
    if (numbers.size() > 2) break;
  }
  if (numbers.size() != 2 || numbers[0] != numbers[1])
    malformed(fmt::format("{:.100}: {} is '{:.100}', a square is expected", node.name, attribute, text));
  return numbers[0];
}

bool is_true(const std::string& text) { return text == "True" || text == "true" || text == "1"; }

std::int64_t count_of(const artifact::SymbolNode& node, const char* attribute) {
  const std::string text = node.text(attribute);
  std::int64_t n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || n > (1 << 24))
      malformed(fmt::format("{:.100}: {} is '{:.40}'", node.name, attribute, text));
    n = n * 10 + (c - '0');
  }
  if (n < 1) malformed(fmt::format("{:.100}: {} is '{:.40}'", node.name, attribute, text));
  return n;
}

/// Values with equal numbers are computed equally: every operation with its settings, parameters and inputs is one key.
/// Two graphs are the same when their last values have one number.
class Values {
 public:
  int number(const std::string& key) {
    return numbers_.try_emplace(key, static_cast<int>(numbers_.size())).first->second;
  }
  bool knows(const std::string& key) const { return numbers_.contains(key); }

 private:
  std::map<std::string, int> numbers_;
};

std::string convolution_key(const std::string& name, std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                            std::int64_t pad, int input) {
  return fmt::format("convolution {} {} {} {} {} of {}", name, channels, kernel, stride, pad, input);
}
std::string norm_key(const std::string& name, float epsilon, bool gamma_is_one, int input) {
  return fmt::format("batch norm {} {} {} of {}", name, epsilon, gamma_is_one, input);
}
std::string relu_key(int input) { return fmt::format("relu of {}", input); }
std::string max_key(std::int64_t kernel, std::int64_t stride, std::int64_t pad, int input) {
  return fmt::format("max {} {} {} of {}", kernel, stride, pad, input);
}
std::string sum_key(int a, int b) { return fmt::format("sum of {} and {}", std::min(a, b), std::max(a, b)); }
std::string mean_key(int input) { return fmt::format("mean of {}", input); }
std::string linear_key(const std::string& name, std::int64_t outputs, int input) {
  return fmt::format("linear {} {} of {}", name, outputs, input);
}

/// A symbol's values, and what the choice of a description depends on.
class SymbolReader {
 public:
  SymbolReader(const artifact::Symbol& symbol, Values& values) : symbol_(symbol), values_(values) {
    for (std::size_t i = 0; i < symbol.nodes.size(); ++i) of_node_.push_back(value_of(symbol.nodes[i], i));
  }

  /// "stage1_unit1_conv1" -> its node
  std::map<std::string, const artifact::SymbolNode*> convolutions;
  std::map<std::string, float> norms;  // name -> epsilon
  std::string head;
  std::int64_t classes = 0;
  int logits = -1;
  nn::Loss loss = nn::Loss::kSoftmax;

 private:
  int input(const artifact::SymbolNode& node, std::size_t i) const {
    if (i >= node.inputs.size()) malformed(fmt::format("{:.100}: input {} is missing", node.name, i));
    return of_node_[node.inputs[i]];
  }
  /// The name that an operation's parameters have: that of input i without its suffix.
  std::string owner(const artifact::SymbolNode& node, std::size_t i, std::string_view suffix) const {
    if (i >= node.inputs.size()) malformed(fmt::format("{:.100}: input {} is missing", node.name, i));
    const std::string& name = symbol_.nodes[node.inputs[i]].name;
    if (!name.ends_with(suffix))
      malformed(fmt::format("{:.100}: its parameter {:.100} does not end in {}", node.name, name, suffix));
    return name.substr(0, name.size() - suffix.size());
  }

  int value_of(const artifact::SymbolNode& node, std::size_t number) {
    const std::string& op = node.op;
    if (op == "null") return values_.number(node.name == "data" ? "data" : "parameter " + node.name);
    if (op == "_copy" || op == "identity" || op == "Cast" || op == "amp_cast" || op == "Flatten" || op == "flatten")
      return input(node, 0);
    if (op == "Convolution") return convolution(node);
    if (op == "BatchNorm" || op == "BatchNorm_v1" || op == "CuDNNBatchNorm") return norm(node);
    if (op == "relu" || (op == "Activation" && node.text("act_type") == "relu"))
      return values_.number(relu_key(input(node, 0)));
    if (op == "Pooling" || op == "Pooling_v1") return pooling(node);
    if (op == "elemwise_add" || op == "_Plus" || op == "_plus" || op == "broadcast_add" || op == "_add")
      return values_.number(sum_key(input(node, 0), input(node, 1)));
    if (op == "FullyConnected") return linear(node);
    if (number == symbol_.head) return output(node);
    malformed(fmt::format("{:.100}: operation {:.100} is not one of a residual network", node.name, op));
  }

  int convolution(const artifact::SymbolNode& node) {
    if (!is_true(node.text("no_bias", "False"))) malformed(fmt::format("{:.100} has a bias", node.name));
    if (edge_of(node, "dilate", "(1, 1)") != 1 || node.text("num_group", "1") != "1")
      malformed(fmt::format("{:.100} is dilated or in groups", node.name));
    const std::string name = owner(node, 1, "_weight");
    convolutions[name] = &node;
    return values_.number(convolution_key(name, count_of(node, "num_filter"), edge_of(node, "kernel", ""),
                                          edge_of(node, "stride", "(1, 1)"), edge_of(node, "pad", "(0, 0)"),
                                          input(node, 0)));
  }

  int norm(const artifact::SymbolNode& node) {
    const std::string name = owner(node, 1, "_gamma");
    const std::string text = node.text("eps", "0.001");
    char* end = nullptr;
    const float epsilon = std::strtof(text.c_str(), &end);
    if (end == text.c_str() || !(epsilon > 0) || epsilon > 1)
      malformed(fmt::format("{:.100}: eps is '{:.40}'", node.name, text));
    norms[name] = epsilon;
    return values_.number(norm_key(name, epsilon, is_true(node.text("fix_gamma", "True")), input(node, 0)));
  }

  int pooling(const artifact::SymbolNode& node) {
    const std::string type = node.text("pool_type", "max");
    if (is_true(node.text("global_pool", "False")) && type == "avg") return values_.number(mean_key(input(node, 0)));
    if (type != "max" || node.text("pooling_convention", "valid") != "valid")
      malformed(fmt::format("{:.100}: pooling {:.40} is not one of a residual network", node.name, type));
    return values_.number(max_key(edge_of(node, "kernel", ""), edge_of(node, "stride", "(1, 1)"),
                                  edge_of(node, "pad", "(0, 0)"), input(node, 0)));
  }

  int linear(const artifact::SymbolNode& node) {
    if (!head.empty()) malformed(fmt::format("{:.100} is a second FullyConnected", node.name));
    if (is_true(node.text("no_bias", "False"))) malformed(fmt::format("{:.100} has no bias", node.name));
    head = owner(node, 1, "_weight");
    classes = count_of(node, "num_hidden");
    return logits = values_.number(linear_key(head, classes, input(node, 0)));
  }

  int output(const artifact::SymbolNode& node) {
    const std::string& op = node.op;
    const bool sigmoid = op == "LogisticRegressionOutput" || op == "sigmoid" ||
                         (op == "Activation" && node.text("act_type") == "sigmoid");
    if (!sigmoid && op != "SoftmaxOutput" && op != "Softmax" && op != "softmax" && op != "SoftmaxActivation")
      malformed(fmt::format("{:.100}: output {:.100} is neither softmax nor sigmoid", node.name, op));
    loss = sigmoid ? nn::Loss::kLogistic : nn::Loss::kSoftmax;
    if (input(node, 0) != logits) malformed("its output does not follow the FullyConnected");
    return logits;
  }

  const artifact::Symbol& symbol_;
  Values& values_;
  std::vector<int> of_node_;
};

/// The numbers of a description's operations. @return the logits'
/// @param data_norm  whether the pictures are normalised; post-activation networks of MXNet have no bn_data
int number_graph(const nn::Graph& graph, bool data_norm, Values& values, std::string& first_unknown) {
  std::vector<int> of_op;
  for (const nn::Op& op : graph.ops) {
    const auto in = [&](std::size_t i) { return of_op[numeric::at(op.inputs[i])]; };
    const auto number = [&](const std::string& key) {
      if (!values.knows(key) && first_unknown.empty()) first_unknown = op.name;
      of_op.push_back(values.number(key));
    };
    switch (op.kind) {
      case nn::OpKind::kInput:
        number("data");
        break;
      case nn::OpKind::kConvolution:
        number(convolution_key(op.name, op.shape.channels, op.kernel, op.stride, op.pad, in(0)));
        break;
      case nn::OpKind::kBatchNorm:
        if (op.gamma_is_one && !data_norm) {
          of_op.push_back(in(0));
          break;
        }
        number(norm_key(op.name, op.epsilon, op.gamma_is_one, in(0)));
        if (op.relu) of_op.back() = values.number(relu_key(of_op.back()));
        break;
      case nn::OpKind::kRelu:
        number(relu_key(in(0)));
        break;
      case nn::OpKind::kMaxPool:
        number(max_key(op.kernel, op.stride, op.pad, in(0)));
        break;
      case nn::OpKind::kAdd:
        number(sum_key(in(0), in(1)));
        break;
      case nn::OpKind::kGlobalPool:
        number(mean_key(in(0)));
        break;
      case nn::OpKind::kLinear:
        number(linear_key(op.name, op.shape.channels, in(0)));
        break;
    }
  }
  return of_op.back();
}

/// Depth by the number of units in each stage, whether they have a third convolution, and the stem's width.
std::int64_t layers_of(const SymbolReader& reader, std::int64_t height) {
  Stages found;
  for (std::size_t stage = 1; reader.convolutions.contains(fmt::format("stage{}_unit1_conv1", stage)); ++stage) {
    std::int64_t units = 0;
    while (reader.convolutions.contains(fmt::format("stage{}_unit{}_conv1", stage, units + 1))) ++units;
    found.units.push_back(units);
  }
  found.bottleneck = reader.convolutions.contains("stage1_unit1_conv3");
  const auto stem = reader.convolutions.find("conv0");
  if (stem == reader.convolutions.end()) malformed("it has no convolution conv0");
  found.stem_width = count_of(*stem->second, "num_filter");
  for (const std::int64_t layers : {18, 34, 50, 101, 152, 200, 20, 32, 44, 56, 110}) {
    const Stages known = stages_of(layers, height);
    if (known.units == found.units && known.bottleneck == found.bottleneck && known.stem_width == found.stem_width)
      return layers;
  }
  malformed(fmt::format("stages of [{}] units are of no known depth", fmt::join(found.units, ", ")));
}

}  // namespace

std::string symbol_json(const nn::Graph& graph, nn::Loss loss) { return SymbolWriter(graph).write(loss); }

DescribedSymbol describe_symbol(const artifact::Symbol& symbol, nn::MapShape image) {
  Values values;
  const SymbolReader reader(symbol, values);
  if (reader.logits < 0) malformed("it has no FullyConnected");
  DescribedSymbol out;
  out.loss = reader.loss;
  out.description = {.layers = layers_of(reader, image.height), .image = image, .classes = reader.classes};
  out.description.head = reader.head;
  Topology& topology = out.description.topology;
  topology.order = reader.norms.contains("bn1") ? Topology::Order::kPreActivation : Topology::Order::kPostActivation;
  if (!reader.norms.empty()) topology.epsilon = reader.norms.begin()->second;
  using Projection = Topology::Projection;
  std::string first_unknown;
  // Of bottlenecks both projections give one graph; the first is that of the usual files of either order.
  std::array projections{Projection::kEveryStage, Projection::kWhereShapeChanges};
  if (topology.order == Topology::Order::kPostActivation) std::ranges::reverse(projections);
  for (const Projection projection : projections)
    for (const bool first : {false, true}) {
      topology.projection = projection;
      topology.stride_in_first_convolution = first;
      const nn::Graph graph = resnet(out.description);
      if (number_graph(graph, reader.norms.contains("bn_data"), values, first_unknown) == reader.logits) return out;
    }
  malformed(fmt::format("{:.100} is not as in a residual network of {} layers for pictures of {} x {}", first_unknown,
                        out.description.layers, image.height, image.width));
}

std::string model_shapes(std::int64_t batch, const nn::MapShape& image) {
  return fmt::format(R"([{{"shape": [{}, {}, {}, {}], "name": "data"}}])", batch, image.channels, image.height,
                     image.width);
}

nn::MapShape read_model_shapes(std::string_view text) {
  const auto fail = [](const char* rule) { throw Error(Kind::kMalformed, std::string("model-shapes.json: ") + rule); };
  const Json document = parse_json(text);
  if (!document.is_array() || document.empty() || !document.back().is_object()) fail("no list of inputs");
  const Json shape = document.back().value("shape", Json());
  if (!shape.is_array() || shape.size() != 4) fail("shape is not [N, C, H, W]");
  std::int64_t edges[4] = {};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto n = exact_integer(shape[i]);
    if (!n || *n < (i == 0 ? 0 : 1) || *n > kMaxEdge) fail("a dimension is out of range");
    edges[i] = *n;
  }
  return {edges[1], edges[2], edges[3]};
}

}  // namespace clary::image_classification
