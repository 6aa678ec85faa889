// SPDX-License-Identifier: Apache-2.0
// ONNX models (onnx.ai, onnx/onnx.proto): the parts of a graph that a network's weights are found by, and a writer of
// whole models. Messages are read field by field from the mapped bytes; bytes that are read may come from strangers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "learning/artifact/tensor_file.h"

namespace clary::artifact {

struct OnnxAttribute {
  float number = 0;
  std::int64_t integer = 0;
  std::string text;
  std::vector<std::int64_t> integers;
};

struct OnnxNode {
  std::string op, name;  // "Conv"
  std::vector<std::string> inputs, outputs;
  std::map<std::string, OnnxAttribute> attributes;

  /// The attribute's value, or what ONNX says it is when absent.
  std::int64_t integer(const std::string& attribute, std::int64_t otherwise) const;
  float number(const std::string& attribute, float otherwise) const;
  std::vector<std::int64_t> integers(const std::string& attribute, std::vector<std::int64_t> otherwise) const;
};

struct OnnxModel {
  std::string producer;
  std::vector<OnnxNode> nodes;           // each after those whose outputs it reads
  std::vector<TensorView> initializers;  // those whose numbers lie in the file as such; integers of Reshape do not
  std::vector<std::string> inputs, outputs;
};

/// @throws Error{kMalformed} naming the tensor and the rule, also for numbers in another file; Error{kLimit} above the
/// limits of nodes
OnnxModel read_onnx(std::span<const std::byte> bytes);

/// Collects a graph and writes it as a model of one input and one output, both [batch, ...] of any batch.
class OnnxWriter {
 public:
  using Integers = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;  // kernel_shape, strides
  struct Attributes {
    Integers lists{};
    std::vector<std::pair<std::string, std::int64_t>> integers{};
    std::vector<std::pair<std::string, float>> numbers{};
  };

  void initializer(const ArrayRef& array) { initializers_.push_back(array); }
  /// A node with one output, which has the node's name.
  void node(const std::string& op, const std::string& name, std::span<const std::string> inputs,
            const Attributes& attributes);
  void input(const std::string& name, std::vector<std::int64_t> shape) { input_ = {name, std::move(shape)}; }
  void output(const std::string& name, std::vector<std::int64_t> shape) { output_ = {name, std::move(shape)}; }

  /// @throws Error{kLimit} above the 2 GiB that a protobuf message may have
  void write(const std::string& graph_name, const ByteSink& sink) const;

 private:
  struct Value {
    std::string name;
    std::vector<std::int64_t> shape;  // without the batch
  };

  std::vector<ArrayRef> initializers_;
  std::string nodes_;  // encoded
  Value input_, output_;
};

}  // namespace clary::artifact
