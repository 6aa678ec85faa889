// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/onnx_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/image_classification/model/arrays.h"
#include "base/error.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using artifact::OnnxNode;
using artifact::TensorView;
using numeric::at;
using Integers = std::vector<std::int64_t>;

/// Writes the operations; the value of each has the name of its last node.
class Writer {
 public:
  explicit Writer(const nn::Graph& graph) {
    for (const nn::Op& op : graph.ops) values_.push_back(add(op));
  }

  artifact::OnnxWriter out;
  const std::string& logits() const { return values_.back(); }

 private:
  std::string input(const nn::Op& op, std::size_t i = 0) const { return values_[at(op.inputs[i])]; }

  std::string node(const std::string& type, const std::string& name, const std::vector<std::string>& inputs,
                   const artifact::OnnxWriter::Attributes& attributes = {}) {
    out.node(type, name, inputs, attributes);
    return name;
  }

  static artifact::OnnxWriter::Integers window(const nn::Op& op) {
    return {{"kernel_shape", {op.kernel, op.kernel}},
            {"strides", {op.stride, op.stride}},
            {"pads", {op.pad, op.pad, op.pad, op.pad}}};
  }

  std::string add(const nn::Op& op) {
    switch (op.kind) {
      case nn::OpKind::kInput:
        return op.name;
      case nn::OpKind::kConvolution:
        return node("Conv", op.name, {input(op), op.name + "_weight"}, {.lists = window(op)});
      case nn::OpKind::kBatchNorm: {
        const std::string name =
            node("BatchNormalization", op.name,
                 {input(op), op.name + "_gamma", op.name + "_beta", op.name + "_moving_mean", op.name + "_moving_var"},
                 {.numbers = {{"epsilon", op.epsilon}}});
        return op.relu ? node("Relu", name + "_relu", {name}) : name;
      }
      case nn::OpKind::kRelu:
        return node("Relu", op.name, {input(op)});
      case nn::OpKind::kMaxPool:
        return node("MaxPool", op.name, {input(op)}, {.lists = window(op)});
      case nn::OpKind::kAdd:
        return node("Add", op.name, {input(op), input(op, 1)});
      case nn::OpKind::kGlobalPool:
        return node("GlobalAveragePool", op.name, {input(op)});
      case nn::OpKind::kLinear:
        return node("Gemm", op.name,
                    {node("Flatten", "flatten0", {input(op)}, {.integers = {{"axis", 1}}}), op.name + "_weight",
                     op.name + "_bias"},
                    {.integers = {{"transB", 1}}});
    }
    throw Error(Kind::kInternal, op.name + ": no such operation in ONNX");
  }

  std::vector<std::string> values_;
};

/// Follows a model's graph from its output to its input beside a network's operations. Where a sum's inputs could be
/// either, both are tried; what a pair of operation and value gave is remembered, so that this stays quadratic at
/// worst.
class Matcher {
 public:
  Matcher(const artifact::OnnxModel& model, const nn::Graph& graph, float epsilon)
      : model_(model), graph_(graph), epsilon_(epsilon) {
    for (std::size_t i = 0; i < model.nodes.size(); ++i)
      for (const std::string& output : model.nodes[i].outputs) producers_.try_emplace(output, i);
    for (const TensorView& view : model.initializers) arrays_.try_emplace(view.name, &view);
  }

  /// Whether the logits are the same; then weights() can be asked for.
  bool run() {
    if (model_.outputs.empty()) return false;
    logits_ = model_.outputs.front();
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) {  // a circle of nodes does not hold it up
      const OnnxNode* node = producer(logits_);
      if (node == nullptr || (node->op != "Softmax" && node->op != "Sigmoid" && !passes(*node))) break;
      if (node->inputs.empty()) return false;
      logits_ = node->inputs[0];
    }
    return match(static_cast<int>(graph_.ops.size()) - 1, logits_);
  }

  OnnxMatch weights() {
    collect(static_cast<int>(graph_.ops.size()) - 1, logits_);
    return std::move(out_);
  }

 private:
  const OnnxNode* producer(const std::string& value) const {
    const auto found = producers_.find(value);
    return found == producers_.end() ? nullptr : &model_.nodes[found->second];
  }
  const TensorView* array(const OnnxNode& node, std::size_t input) const {
    const auto found = input < node.inputs.size() ? arrays_.find(node.inputs[input]) : arrays_.end();
    return found == arrays_.end() ? nullptr : found->second;
  }
  static bool passes(const OnnxNode& node) {
    return node.op == "Identity" || node.op == "Dropout" || node.op == "Flatten" || node.op == "Reshape" ||
           node.op == "Squeeze";
  }
  /// A value without the nodes that only rename or reshape it. A model from a stranger may have circles: every step
  /// must go to an earlier node, which is what ONNX demands.
  std::string resolved(std::string value) const {
    std::size_t before = model_.nodes.size();
    for (auto found = producers_.find(value); found != producers_.end() && found->second < before;
         found = producers_.find(value)) {
      const OnnxNode& node = model_.nodes[found->second];
      if (!passes(node) || node.inputs.empty()) break;
      before = found->second;
      value = node.inputs[0];
    }
    return value;
  }

  /// Square kernel, strides and pads of an operation; no dilation, groups, rounding up.
  static bool has_window(const OnnxNode& node, const nn::Op& op) {
    return node.integers("kernel_shape", {op.kernel, op.kernel}) == Integers(2, op.kernel) &&
           node.integers("strides", {1, 1}) == Integers(2, op.stride) &&
           node.integers("pads", {0, 0, 0, 0}) == Integers(4, op.pad) &&
           node.integers("dilations", {1, 1}) == Integers(2, 1) && node.integer("group", 1) == 1 &&
           node.integer("ceil_mode", 0) == 0 && !node.attributes.contains("auto_pad");
  }

  bool match(int number, const std::string& value_before) {
    const std::string value = resolved(value_before);
    const auto [known, added] = matched_.try_emplace({number, value}, false);  // false also while it is being found out
    if (!added) return known->second;
    const bool result = matches(graph_.ops[at(number)], value);
    return matched_[{number, value}] = result;
  }

  bool matches(const nn::Op& op, const std::string& value) {
    if (op.kind == nn::OpKind::kInput)
      return std::ranges::find(model_.inputs, value) != model_.inputs.end() && !arrays_.contains(value);
    const OnnxNode* node = producer(value);
    if (op.kind == nn::OpKind::kBatchNorm) return matches_norm(op, value, node);
    if (node == nullptr || node->inputs.empty()) return false;
    switch (op.kind) {
      case nn::OpKind::kConvolution:
        return node->inputs.size() == 2 && matches_convolution(op, *node);
      case nn::OpKind::kRelu:
        return node->op == "Relu" && match(op.inputs[0], node->inputs[0]);
      case nn::OpKind::kMaxPool:
        return node->op == "MaxPool" && has_window(*node, op) && match(op.inputs[0], node->inputs[0]);
      case nn::OpKind::kAdd:
        return node->op == "Add" && node->inputs.size() == 2 &&
               (match_sum(op, node->inputs[0], node->inputs[1]) || match_sum(op, node->inputs[1], node->inputs[0]));
      case nn::OpKind::kGlobalPool:
        return is_mean(*node) && match(op.inputs[0], node->inputs[0]);
      case nn::OpKind::kLinear:
        return node->op == "Gemm" && node->inputs.size() == 3 && node->integer("transB", 0) == 1 &&
               node->integer("transA", 0) == 0 && node->number("alpha", 1) == 1 && node->number("beta", 1) == 1 &&
               array(*node, 1) != nullptr && array(*node, 1)->shape.size() == 2 && array(*node, 2) != nullptr &&
               match(op.inputs[0], node->inputs[0]);
      default:
        return false;
    }
  }

  static bool is_mean(const OnnxNode& node) {
    return node.op == "GlobalAveragePool" ||
           (node.op == "ReduceMean" &&
            (node.integers("axes", {}) == Integers{2, 3} || node.integers("axes", {}) == Integers{-1, -2} ||
             node.integers("axes", {}) == Integers{-2, -1}));
  }

  bool match_sum(const nn::Op& op, const std::string& main, const std::string& shortcut) {
    return match(op.inputs[0], main) && match(op.inputs[1], shortcut);
  }

  bool matches_convolution(const nn::Op& op, const OnnxNode& node) {
    const nn::MapShape& in = graph_.ops[at(op.inputs[0])].shape;
    const TensorView* weight = array(node, 1);
    return node.op == "Conv" && has_window(node, op) && weight != nullptr &&
           weight->shape == Integers{op.shape.channels, in.channels, op.kernel, op.kernel} &&
           match(op.inputs[0], node.inputs[0]);
  }

  /// A batch norm with its ReLU, or merged into the convolution, or, for the pictures, left out.
  bool matches_norm(const nn::Op& op, const std::string& value, const OnnxNode* node) {
    if (op.gamma_is_one && (node == nullptr || node->op != "BatchNormalization")) return match(op.inputs[0], value);
    if (op.relu) {
      if (node == nullptr || node->op != "Relu" || node->inputs.empty()) return false;
      node = producer(resolved(node->inputs[0]));
    }
    if (node == nullptr) return false;
    const int source = op.inputs[0];
    if (is_merged(op, *node)) return matches_convolution(graph_.ops[at(source)], *node);
    if (node->op != "BatchNormalization" || node->inputs.size() != 5) return false;
    for (std::size_t i = 1; i < 5; ++i)
      if (array(*node, i) == nullptr) return false;
    return match(source, node->inputs[0]);
  }

  bool is_merged(const nn::Op& op, const OnnxNode& node) const {
    return graph_.ops[at(op.inputs[0])].kind == nn::OpKind::kConvolution && node.op == "Conv" &&
           node.inputs.size() == 3 && array(node, 2) != nullptr;
  }

  /// Walks the same way once more, by what match() found, and notes the arrays.
  void collect(int number, const std::string& value_before) {
    const std::string value = resolved(value_before);
    if (!collected_.insert(number).second) return;
    const nn::Op& op = graph_.ops[at(number)];
    const OnnxNode* node = producer(value);
    switch (op.kind) {
      case nn::OpKind::kInput:
        return;
      case nn::OpKind::kBatchNorm:
        return collect_norm(op, value, node);
      case nn::OpKind::kConvolution:
        out_.weights.arrays[op.name + "_weight"] = array(*node, 1);
        break;
      case nn::OpKind::kLinear:
        out_.weights.arrays[op.name + "_weight"] = array(*node, 1);
        out_.weights.arrays[op.name + "_bias"] = array(*node, 2);
        out_.classes = array(*node, 1)->shape[0];
        break;
      case nn::OpKind::kAdd: {
        const bool swapped = !match_sum(op, node->inputs[0], node->inputs[1]);
        collect(op.inputs[0], node->inputs[swapped ? 1 : 0]);
        return collect(op.inputs[1], node->inputs[swapped ? 0 : 1]);
      }
      default:
        break;
    }
    collect(op.inputs[0], node->inputs[0]);
  }

  void collect_norm(const nn::Op& op, const std::string& value, const OnnxNode* node) {
    WeightMap& to = out_.weights;
    if (op.gamma_is_one && (node == nullptr || node->op != "BatchNormalization")) {
      to.normalised_input = true;
      return collect(op.inputs[0], value);
    }
    if (op.relu) node = producer(resolved(node->inputs[0]));
    if (is_merged(op, *node)) {
      const nn::Op& convolution = graph_.ops[at(op.inputs[0])];
      collected_.insert(op.inputs[0]);
      to.merged.insert(op.name);
      to.arrays[op.name + "_beta"] = array(*node, 2);
      to.arrays[convolution.name + "_weight"] = array(*node, 1);
      return collect(convolution.inputs[0], node->inputs[0]);
    }
    std::size_t i = 1;
    for (const char* suffix : {"_gamma", "_beta", "_moving_mean", "_moving_var"})
      to.arrays[op.name + suffix] = array(*node, i++);
    const float epsilon = node->number("epsilon", 1e-5F);
    if (epsilon != epsilon_) to.epsilons[op.name] = epsilon;
    // The raw pictures' batch norm keeps MXNet's name in every export; Gluon's, of normalised pictures, has another.
    if (op.gamma_is_one) to.normalised_input = !array(*node, 3)->name.starts_with("bn_data");
    collect(op.inputs[0], node->inputs[0]);
  }

  const artifact::OnnxModel& model_;
  const nn::Graph& graph_;
  float epsilon_;
  std::map<std::string, std::size_t> producers_;
  std::map<std::string, const TensorView*> arrays_;
  std::map<std::pair<int, std::string>, bool> matched_;
  std::set<int> collected_;
  std::string logits_;
  OnnxMatch out_;
};

}  // namespace

void write_onnx(const nn::Graph& graph, const nn::Parameters& parameters, nn::Loss loss,
                const artifact::ByteSink& sink) {
  Writer writer(graph);
  const nn::MapShape& image = graph.input();
  writer.out.input("data", {image.channels, image.height, image.width});
  writer.out.output("probabilities", {graph.outputs()});
  const std::vector<std::string> logits{writer.logits()};
  if (loss == nn::Loss::kSoftmax) {
    writer.out.node("Softmax", "probabilities", logits, {.integers = {{"axis", 1}}});
  } else {
    writer.out.node("Sigmoid", "probabilities", logits, {});
  }
  const NamedParameters named(graph, parameters, Prefix::kNone);
  for (const artifact::ArrayRef& array : named.list()) writer.out.initializer(array);
  writer.out.write("image-classification", sink);
}

std::optional<OnnxMatch> match_onnx(const artifact::OnnxModel& model, const Description& description) {
  constexpr float kUsual = 1e-5F;  // of every source but MXNet's own files
  const auto norm = std::ranges::find(model.nodes, "BatchNormalization", &OnnxNode::op);
  Description tried = description;
  tried.classes = 1;
  tried.topology.epsilon = norm == model.nodes.end() ? kUsual : norm->number("epsilon", kUsual);
  for (const auto order : {Topology::Order::kPostActivation, Topology::Order::kPreActivation})
    for (const auto projection : {Topology::Projection::kWhereShapeChanges, Topology::Projection::kEveryStage})
      for (const bool first : {false, true}) {
        tried.topology.order = order;
        tried.topology.projection = projection;
        tried.topology.stride_in_first_convolution = first;
        const nn::Graph graph = resnet(tried);
        Matcher matcher(model, graph, tried.topology.epsilon);
        if (!matcher.run()) continue;
        OnnxMatch out = matcher.weights();
        out.topology = tried.topology;
        return out;
      }
  return std::nullopt;
}

}  // namespace clary::image_classification
