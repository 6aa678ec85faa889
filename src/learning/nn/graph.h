// SPDX-License-Identifier: Apache-2.0
// A network as a list of operations, each on the outputs of earlier ones: what an executor is planned from (network.h,
// predictor.h: oneDNN on a CPU), what model files are written from, and what a module for another device would read.
// Plain data; nothing here computes. Maps are C channels of H x W values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace clary::nn {

struct MapShape {
  std::int64_t channels = 0, height = 0, width = 0;
  std::int64_t size() const { return channels * height * width; }
  bool operator==(const MapShape&) const = default;
};

enum class OpKind {
  kInput,        // pictures, raw bytes 0..255 as float
  kConvolution,  // no bias; square kernel, stride, zero padding
  kBatchNorm,    // per channel; `relu` applies max(0, .) to its output
  kRelu,         // only where no batch norm precedes: after the sum of a post-activation block
  kMaxPool,      // padding never wins; output size rounded down
  kAdd,          // two inputs of one shape: main path first, shortcut second
  kGlobalPool,   // mean over H x W: output [C, 1, 1]
  kLinear,       // flattens; with bias
};

/// One operation. Its index in Graph::ops is its number; inputs are numbers of earlier ones.
struct Op {
  OpKind kind = OpKind::kInput;
  std::string name;  // parameters are "<name>_weight", "<name>_gamma", ...: "stage1_unit1_conv1"
  std::vector<int> inputs{};
  MapShape shape{};                              // of the output
  std::int64_t kernel = 0, stride = 1, pad = 0;  // kConvolution, kMaxPool
  bool relu = false;                             // kBatchNorm
  bool gamma_is_one = false;                     // kBatchNorm: gamma is not learned (MXNet's fix_gamma)
  float epsilon = 0;                             // kBatchNorm
};

/// ops[0] is the input, the last op gives the logits.
struct Graph {
  std::vector<Op> ops;

  const MapShape& input() const { return ops.front().shape; }
  std::int64_t outputs() const { return ops.back().shape.channels; }

  /// Each appends an operation and returns its number; shapes are computed.
  int add_input(MapShape shape);
  int add_convolution(std::string name, int input, std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                      std::int64_t pad);
  int add_batch_norm(std::string name, int input, bool relu, float epsilon, bool gamma_is_one = false);
  int add_relu(std::string name, int input);
  int add_max_pool(std::string name, int input, std::int64_t kernel, std::int64_t stride, std::int64_t pad);
  /// @throws Error{kInternal} unless both have one shape
  int add_sum(std::string name, int main_path, int shortcut);
  int add_global_pool(std::string name, int input);
  int add_linear(std::string name, int input, std::int64_t outputs);
};

/// Multiplications with addition that one picture takes in convolutions and linear layers.
std::int64_t multiply_adds(const Graph& graph);

}  // namespace clary::nn
