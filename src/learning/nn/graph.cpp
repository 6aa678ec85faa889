// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/graph.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

namespace clary::nn {
namespace {

int append(Graph& graph, Op op) {
  graph.ops.push_back(std::move(op));
  return static_cast<int>(graph.ops.size()) - 1;
}

const MapShape& shape_of(const Graph& graph, int op) { return graph.ops[static_cast<std::size_t>(op)].shape; }

/// Positions of a window of `kernel` that moves by `stride` over `size` values with `pad` zeros at both ends.
std::int64_t windows(const std::string& name, std::int64_t size, std::int64_t kernel, std::int64_t stride,
                     std::int64_t pad) {
  if (size + 2 * pad < kernel)
    throw Error(Kind::kInvalid,
                fmt::format("{}: its input of {} pixels is smaller than its kernel of {}", name, size, kernel));
  return (size + 2 * pad - kernel) / stride + 1;
}

}  // namespace

int Graph::add_input(MapShape shape) { return append(*this, {.kind = OpKind::kInput, .name = "data", .shape = shape}); }

int Graph::add_convolution(std::string name, int input, std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                           std::int64_t pad) {
  const MapShape in = shape_of(*this, input);
  const MapShape out{channels, windows(name, in.height, kernel, stride, pad),
                     windows(name, in.width, kernel, stride, pad)};
  return append(*this, {.kind = OpKind::kConvolution,
                        .name = std::move(name),
                        .inputs = {input},
                        .shape = out,
                        .kernel = kernel,
                        .stride = stride,
                        .pad = pad});
}

int Graph::add_batch_norm(std::string name, int input, bool relu, float epsilon, bool gamma_is_one) {
  return append(*this, {.kind = OpKind::kBatchNorm,
                        .name = std::move(name),
                        .inputs = {input},
                        .shape = shape_of(*this, input),
                        .relu = relu,
                        .gamma_is_one = gamma_is_one,
                        .epsilon = epsilon});
}

int Graph::add_relu(std::string name, int input) {
  return append(*this, {.kind = OpKind::kRelu,
                        .name = std::move(name),
                        .inputs = {input},
                        .shape = shape_of(*this, input),
                        .relu = true});
}

int Graph::add_max_pool(std::string name, int input, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  const MapShape in = shape_of(*this, input);
  const MapShape out{in.channels, windows(name, in.height, kernel, stride, pad),
                     windows(name, in.width, kernel, stride, pad)};
  return append(*this, {.kind = OpKind::kMaxPool,
                        .name = std::move(name),
                        .inputs = {input},
                        .shape = out,
                        .kernel = kernel,
                        .stride = stride,
                        .pad = pad});
}

int Graph::add_sum(std::string name, int main_path, int shortcut) {
  if (shape_of(*this, main_path) != shape_of(*this, shortcut))
    throw Error(Kind::kInternal, fmt::format("{}: its inputs have different shapes", name));
  return append(*this, {.kind = OpKind::kAdd,
                        .name = std::move(name),
                        .inputs = {main_path, shortcut},
                        .shape = shape_of(*this, main_path)});
}

int Graph::add_global_pool(std::string name, int input) {
  return append(*this, {.kind = OpKind::kGlobalPool,
                        .name = std::move(name),
                        .inputs = {input},
                        .shape = {shape_of(*this, input).channels, 1, 1}});
}

int Graph::add_linear(std::string name, int input, std::int64_t outputs) {
  return append(*this, {.kind = OpKind::kLinear, .name = std::move(name), .inputs = {input}, .shape = {outputs, 1, 1}});
}

std::int64_t multiply_adds(const Graph& graph) {
  std::int64_t total = 0;
  for (const Op& op : graph.ops) {
    if (op.inputs.empty()) continue;
    const MapShape& in = shape_of(graph, op.inputs.front());
    if (op.kind == OpKind::kConvolution) total += op.shape.size() * in.channels * op.kernel * op.kernel;
    if (op.kind == OpKind::kLinear) total += op.shape.channels * in.size();
  }
  return total;
}

}  // namespace clary::nn
