// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <utility>

#include "learning/nn/convolution.h"
#include "learning/nn/loss.h"
#include "learning/nn/network_plan.h"
#include "learning/nn/pictures.h"
#include "learning/numeric/index.h"

namespace clary::nn::onednn {
namespace {

using dnnl::algorithm;
using dnnl::prop_kind;
using numeric::at;

constexpr float kMomentum = 0.9F;  // of running statistics

void blend(float& running, double batch) {
  running = kMomentum * running + (1 - kMomentum) * static_cast<float>(batch);
}

}  // namespace

void add_sum_step(Plan& plan, const Tensor& a, const Tensor& b, const Tensor& dst) {
  const dnnl::binary::desc desc(algorithm::binary_add, a.desc, b.desc, dst.desc);
  plan.add(dnnl::binary::primitive_desc(desc, primitive_attributes(), engine()),
           {{DNNL_ARG_SRC_0, a}, {DNNL_ARG_SRC_1, b}, {DNNL_ARG_DST, dst}});
}

NetworkPlanner::NetworkPlanner(const Graph& graph, const Parameters& parameters, const NetworkOptions& options,
                               std::int64_t pictures, bool training)
    : graph_(graph),
      parameters_(parameters),
      options_(options),
      pictures_(pictures),
      training_(training),
      type_(options.precision == Precision::kBFloat16 ? Type::bf16 : Type::f32),
      nodes_(graph.ops.size()) {
  for (const Op& o : graph.ops)
    for (const int input : o.inputs) ++node(input).consumers;
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i)
    if (op(i).kind == OpKind::kBatchNorm && op(i).inputs.front() == 0 && op(i).gamma_is_one && !op(i).relu &&
        node(0).consumers == 1)
      data_norm_ = i;
}

Plan NetworkPlanner::plan() && {
  const int count = static_cast<int>(nodes_.size());
  for (int i = 0; i < count; ++i) forward(i);
  if (training_) add_running_statistics();
  add_loss();
  if (training_)
    for (int i = count - 1; i > 0; --i) backward(i);
  plan_.finish();
  return std::move(plan_);
}

const Parameter& NetworkPlanner::parameter(int number, Role role) const {
  const auto& list = parameters_.list();
  return *std::ranges::find_if(list, [&](const Parameter& p) { return p.op == number && p.role == role; });
}

Tensor NetworkPlanner::vector_of(const Parameter& p, Region region) {
  return plan_.fixed(Desc({p.size}, Type::f32, Format::a), region, p.offset * 4);
}

Desc NetworkPlanner::plain_weights(int number) const {
  const Parameter& p = parameter(number, Role::kWeight);
  return Desc(p.shape, Type::f32, p.shape.size() == 4 ? Format::oihw : Format::oi);
}

Tensor NetworkPlanner::weights(int number, const Desc& layout) {
  auto& made = node(number).weights;
  if (made.empty()) made.push_back(values(parameter(number, Role::kWeight), plain_weights(number)));
  const auto found = std::ranges::find(made, layout, &Tensor::desc);
  if (found != made.end()) return *found;
  made.push_back(plan_.in_layout(made.front(), layout));
  return made.back();
}

bool NetworkPlanner::may_be_overwritten(int number) {
  // The gradient of a rectifier is computed from its output.
  return node(number).consumers == 1 && op(number).kind != OpKind::kRelu && gets_gradient(number);
}

prop_kind NetworkPlanner::forward_kind() const {
  return training_ ? prop_kind::forward_training : prop_kind::forward_inference;
}

void NetworkPlanner::forward(int number) {
  switch (op(number).kind) {
    case OpKind::kInput:
      if (data_norm_ < 0) add_pictures(number);
      break;
    case OpKind::kConvolution:
      return add_convolution(number);
    case OpKind::kBatchNorm:
      return number == data_norm_ ? add_pictures(number) : add_batch_norm(number);
    case OpKind::kRelu:
      return add_relu(number);
    case OpKind::kMaxPool:
    case OpKind::kGlobalPool:
      return add_pooling(number);
    case OpKind::kAdd:
      return add_sum(number);
    case OpKind::kLinear:
      return add_linear(number);
  }
}

/// The pictures as they are (number is the input), or normalised (number is the batch norm on them).
void NetworkPlanner::add_pictures(int number) {
  const MapShape shape = op(number).shape;
  const Tensor map = plan_.reserve(map_desc(pictures_, shape, Type::f32, Format::nchw));
  node(number).map = map;
  if (number == 0) {
    plan_.add(
        [=](const Execution& run, Call& call) {
          fill_map(identity_table(shape.channels), call.batch.pictures, shape, call.batch.pixels.data(),
                   run.at<float>(map));
        },
        {map});
    return;
  }
  const Tensor mean = vector_of(parameter(number, Role::kRunningMean), Region::kStatistics);
  const Tensor variance = vector_of(parameter(number, Role::kRunningVariance), Region::kStatistics);
  const Tensor beta = vector_of(parameter(number, Role::kBeta), Region::kValues);
  const auto normalize = [=, training = training_, epsilon = op(number).epsilon](const Execution& run, Call& call) {
    const std::size_t channels = at(shape.channels);
    const std::span running_mean(run.at<float>(mean), channels), running_variance(run.at<float>(variance), channels);
    ChannelStatistics statistics{{running_mean.begin(), running_mean.end()},
                                 {running_variance.begin(), running_variance.end()}};
    if (training) {
      statistics = channel_statistics(call.batch.pixels, shape.channels);
      for (std::size_t c = 0; c < channels; ++c) {
        blend(running_mean[c], statistics.mean[c]);
        blend(running_variance[c], statistics.variance[c]);
      }
    }
    fill_map(normalizing_table(statistics, epsilon, {run.at<float>(beta), channels}), call.batch.pictures, shape,
             call.batch.pixels.data(), run.at<float>(map));
  };
  plan_.add(normalize, {map, mean, variance, beta});
}

void NetworkPlanner::add_convolution(int number) {
  Node& n = node(number);
  const ConvolutionSize size = convolution_size(graph_, op(number), pictures_, type_);
  n.convolution = forward_convolution(size, forward_kind(), false, primitive_attributes());
  n.input = plan_.in_layout(input_of(number).map, n.convolution.src_desc());
  n.map = plan_.reserve(n.convolution.dst_desc());
  plan_.add(n.convolution, {{DNNL_ARG_SRC, n.input},
                            {DNNL_ARG_WEIGHTS, weights(number, n.convolution.weights_desc())},
                            {DNNL_ARG_DST, n.map}});
}

void NetworkPlanner::add_batch_norm(int number) {
  Node& n = node(number);
  const Op& o = op(number);
  const int input = o.inputs.front();
  Tensor in = node(input).map;
  if (input == 0) in = node(0).map = plan_.in_layout(in, map_desc(pictures_, o.shape, type_, Format::nchw));
  auto flags = dnnl::normalization_flags::use_shift;
  if (!o.gamma_is_one) flags |= dnnl::normalization_flags::use_scale;
  if (o.relu) flags |= dnnl::normalization_flags::fuse_norm_relu;
  if (!training_) flags |= dnnl::normalization_flags::use_global_stats;
  n.norm = {{forward_kind(), in.desc, o.epsilon, flags}, primitive_attributes(), engine()};
  n.map = !training_ && may_be_overwritten(input) ? in : plan_.reserve(in.desc);
  Plan::Arguments arguments{{DNNL_ARG_SRC, in}, {DNNL_ARG_DST, n.map}};
  if (training_) {
    n.mean = plan_.reserve(n.norm.mean_desc());
    n.variance = plan_.reserve(n.norm.variance_desc());
    if (o.relu) arguments.emplace_back(DNNL_ARG_WORKSPACE, n.workspace = plan_.reserve(n.norm.workspace_desc()));
  } else {
    n.mean = vector_of(parameter(number, Role::kRunningMean), Region::kStatistics);
    n.variance = vector_of(parameter(number, Role::kRunningVariance), Region::kStatistics);
  }
  arguments.emplace_back(DNNL_ARG_MEAN, n.mean);
  arguments.emplace_back(DNNL_ARG_VARIANCE, n.variance);
  if (!o.gamma_is_one)
    arguments.emplace_back(DNNL_ARG_SCALE, vector_of(parameter(number, Role::kGamma), Region::kValues));
  arguments.emplace_back(DNNL_ARG_SHIFT, vector_of(parameter(number, Role::kBeta), Region::kValues));
  plan_.add(n.norm, std::move(arguments));
}

void NetworkPlanner::add_relu(int number) {
  Node& n = node(number);
  const int input = op(number).inputs.front();
  const Tensor in = node(input).map;
  n.map = may_be_overwritten(input) ? in : plan_.reserve(in.desc);
  n.relu = {{forward_kind(), algorithm::eltwise_relu_use_dst_for_bwd, in.desc}, primitive_attributes(), engine()};
  plan_.add(n.relu, {{DNNL_ARG_SRC, in}, {DNNL_ARG_DST, n.map}});
}

void NetworkPlanner::add_pooling(int number) {
  Node& n = node(number);
  const Op& o = op(number);
  const Tensor in = input_of(number).map;
  n.pooling = forward_pooling(graph_, o, forward_kind(), in.desc);
  n.map = plan_.reserve(n.pooling.dst_desc());
  Plan::Arguments arguments{{DNNL_ARG_SRC, in}, {DNNL_ARG_DST, n.map}};
  if (training_ && o.kind == OpKind::kMaxPool)
    arguments.emplace_back(DNNL_ARG_WORKSPACE, n.workspace = plan_.reserve(n.pooling.workspace_desc()));
  plan_.add(n.pooling, std::move(arguments));
}

void NetworkPlanner::add_sum(int number) {
  const int main = op(number).inputs[0], shortcut = op(number).inputs[1];
  const Tensor a = node(main).map, b = plan_.in_layout(node(shortcut).map, a.desc);
  const Tensor sum = may_be_overwritten(main) ? a : plan_.reserve(a.desc);
  add_sum_step(plan_, a, b, sum);
  node(number).map = sum;
}

void NetworkPlanner::add_linear(int number) {
  using Linear = dnnl::inner_product_forward;
  Node& n = node(number);
  const MapShape& from = op(op(number).inputs.front()).shape;
  const Tensor plain = plan_.in_layout(input_of(number).map, map_desc(pictures_, from, type_, Format::nchw));
  n.input = Plan::view(plain, Desc({pictures_, from.size()}, type_, Format::nc));
  const std::int64_t outputs = op(number).shape.channels;
  const Parameter& bias = parameter(number, Role::kBias);
  const Linear::desc desc(forward_kind(), n.input.desc, Desc({outputs, from.size()}, type_, Format::any),
                          Desc({outputs}, Type::f32, Format::a), Desc({pictures_, outputs}, Type::f32, Format::nc));
  n.linear = {desc, primitive_attributes(), engine()};
  n.map = plan_.reserve(n.linear.dst_desc());
  plan_.add(n.linear, {{DNNL_ARG_SRC, n.input},
                       {DNNL_ARG_WEIGHTS, weights(number, n.linear.weights_desc())},
                       {DNNL_ARG_BIAS, vector_of(bias, Region::kValues)},
                       {DNNL_ARG_DST, n.map}});
}

void NetworkPlanner::add_running_statistics() {
  struct Pair {
    Tensor batch, running;
  };
  std::vector<Pair> pairs;
  std::vector<Tensor> uses;
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (op(i).kind != OpKind::kBatchNorm || i == data_norm_) continue;
    pairs.push_back({node(i).mean, vector_of(parameter(i, Role::kRunningMean), Region::kStatistics)});
    pairs.push_back({node(i).variance, vector_of(parameter(i, Role::kRunningVariance), Region::kStatistics)});
  }
  for (const Pair& pair : pairs) uses.insert(uses.end(), {pair.batch, pair.running});
  plan_.add(
      [pairs](const Execution& run, Call&) {
        for (const auto& [batch, running] : pairs) {
          const std::int64_t channels = running.desc.dims()[0];
          for (std::int64_t c = 0; c < channels; ++c) blend(run.at<float>(running)[c], run.at<float>(batch)[c]);
        }
      },
      uses);
}

/// Loss of the last operation's output, and in training its gradient.
void NetworkPlanner::add_loss() {
  Node& last = nodes_.back();
  const std::int64_t classes = graph_.outputs();
  const bool is_matrix = last.map.desc.dims().size() == 2;
  const Desc plain = is_matrix ? Desc({pictures_, classes}, Type::f32, Format::nc)
                               : map_desc(pictures_, graph_.ops.back().shape, Type::f32, Format::nchw);
  const Tensor logits = plan_.in_layout(last.map, plain);
  std::vector<Tensor> uses{logits};
  if (training_) {
    last.gradient = plan_.reserve(plain);
    last.owned = true;
    uses.push_back(last.gradient);
  }
  const auto function = [=, loss = options_.loss, gradient = last.gradient, training = training_](const Execution& run,
                                                                                                  Call& call) {
    const std::size_t count = at(call.batch.pictures * classes);
    std::copy_n(run.at<float>(logits), count, call.logits.begin());
    call.loss = loss_and_gradient(loss, classes, call.batch, call.logits, call.scale,
                                  training ? std::span<float>(run.at<float>(gradient), count) : std::span<float>());
  };
  plan_.add(function, uses);
}

}  // namespace clary::nn::onednn
