// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "learning/nn/convolution.h"
#include "learning/nn/network_plan.h"
#include "learning/nn/pictures.h"
#include "learning/numeric/index.h"

namespace clary::nn::onednn {
namespace {

using dnnl::algorithm;
using numeric::at;

/// sum[i] = sum over pictures of maps[n, i], i in a picture's map as it lies in memory.
void sum_over_pictures(std::int64_t pictures, std::int64_t size, const float* maps, float* sum) {
  constexpr std::int64_t kPart = 4096;
#pragma omp parallel for schedule(static)
  for (std::int64_t start = 0; start < size; start += kPart) {
    const std::int64_t end = std::min(size, start + kPart);
    std::fill(sum + start, sum + end, 0.0F);
    for (std::int64_t n = 0; n < pictures; ++n)
      for (std::int64_t i = start; i < end; ++i) sum[i] += maps[n * size + i];
  }
}

}  // namespace

std::pair<Tensor, bool> NetworkPlanner::gradient_of(int number, const Desc& layout) {
  const Node& n = node(number);
  const Tensor gradient = plan_.in_layout(n.gradient, layout);
  return {gradient, n.owned || gradient.buffer != n.gradient.buffer};
}

Tensor NetworkPlanner::successor(const std::pair<Tensor, bool>& gradient) {
  return gradient.second ? gradient.first : plan_.reserve(gradient.first.desc);
}

/// The first consumer's gradient is taken as it is; others are added into whichever of the two may be overwritten.
void NetworkPlanner::give_gradient(int number, const Tensor& gradient, bool owned) {
  if (!gets_gradient(number)) return;
  Node& n = node(number);
  if (n.gradient.buffer < 0) {
    n.gradient = gradient;
    n.owned = owned;
    return;
  }
  const Tensor &kept = owned ? gradient : n.gradient, &other = owned ? n.gradient : gradient;
  const Tensor sum = owned || n.owned ? kept : plan_.reserve(kept.desc);
  add_sum_step(plan_, kept, plan_.in_layout(other, kept.desc), sum);
  n.gradient = sum;
  n.owned = true;
}

void NetworkPlanner::write_weight_gradient(const Parameter& p, const Tensor& gradient, const Desc& plain) {
  plan_.add(dnnl::reorder::primitive_desc(engine(), gradient.desc, engine(), plain, primitive_attributes()),
            {{DNNL_ARG_FROM, gradient}, {DNNL_ARG_TO, gradients(p, plain)}});
}

void NetworkPlanner::backward(int number) {
  if (!gets_gradient(number)) return;
  switch (op(number).kind) {
    case OpKind::kInput:
      break;
    case OpKind::kConvolution:
      return back_convolution(number);
    case OpKind::kBatchNorm:
      return back_batch_norm(number);
    case OpKind::kRelu:
      return back_relu(number);
    case OpKind::kMaxPool:
    case OpKind::kGlobalPool:
      return back_pooling(number);
    case OpKind::kAdd:
      return back_sum(number);
    case OpKind::kLinear:
      return back_linear(number);
  }
}

void NetworkPlanner::back_convolution(int number) {
  Node& n = node(number);
  const int input = op(number).inputs.front();
  const ConvolutionSize size = convolution_size(graph_, op(number), pictures_, type_);

  const auto by_weights = backward_weights_convolution(size, n.convolution);
  const Tensor source =
      n.input.desc == by_weights.src_desc() ? n.input : plan_.in_layout(node(input).map, by_weights.src_desc());
  const Parameter& p = parameter(number, Role::kWeight);
  const Desc plain = plain_weights(number);
  const bool direct = by_weights.diff_weights_desc() == plain;
  const Tensor result = direct ? gradients(p, plain) : plan_.reserve(by_weights.diff_weights_desc());
  const Tensor gradient = gradient_of(number, by_weights.diff_dst_desc()).first;
  plan_.add(by_weights, {{DNNL_ARG_SRC, source}, {DNNL_ARG_DIFF_DST, gradient}, {DNNL_ARG_DIFF_WEIGHTS, result}});
  if (!direct) write_weight_gradient(p, result, plain);

  if (input == data_norm_) back_data_norm(number, gradient);
  if (!gets_gradient(input)) return;
  const auto by_data = backward_data_convolution(size, n.convolution);
  const Tensor next = plan_.reserve(by_data.diff_src_desc());
  plan_.add(by_data, {{DNNL_ARG_DIFF_DST, gradient_of(number, by_data.diff_dst_desc()).first},
                      {DNNL_ARG_WEIGHTS, weights(number, by_data.weights_desc())},
                      {DNNL_ARG_DIFF_SRC, next}});
  give_gradient(input, next, true);
}

/// The gradient of the beta of the batch norm on the pictures, which `convolution` reads.
void NetworkPlanner::back_data_norm(int convolution, const Tensor& gradient) {
  if (node(data_norm_).consumers != 1)
    throw Error(Kind::kInternal, op(data_norm_).name + ": a batch norm on pictures needs one consumer, a convolution");
  const Op& o = op(convolution);
  const MapShape shape = o.shape, from = op(data_norm_).shape;
  const Tensor maps = plan_.in_layout(gradient, gradient.desc.data_type() == Type::f32
                                                    ? gradient.desc
                                                    : map_desc(pictures_, shape, Type::f32, Format::nchw));
  const Tensor sum =
      plan_.reserve(maps.desc.submemory_desc({1, shape.channels, shape.height, shape.width}, {0, 0, 0, 0}));
  const std::int64_t size = static_cast<std::int64_t>(bytes(maps.desc)) / 4 / pictures_;
  plan_.add(
      [=, pictures = pictures_](const Execution& run, Call&) {
        sum_over_pictures(pictures, size, run.at<float>(maps), run.at<float>(sum));
      },
      {maps, sum});
  const Tensor plain = plan_.in_layout(sum, map_desc(1, shape, Type::f32, Format::nchw));
  const Tensor kernels = values(parameter(convolution, Role::kWeight), plain_weights(convolution));
  const Tensor beta = vector_of(parameter(data_norm_, Role::kBeta), Region::kGradients);
  const std::int64_t weight_count = parameter(convolution, Role::kWeight).size;
  plan_.add(
      [=](const Execution& run, Call&) {
        input_gradient_sums(o, from, {run.at<float>(plain), at(shape.size())},
                            {run.at<float>(kernels), at(weight_count)}, {run.at<float>(beta), at(from.channels)});
      },
      {plain, kernels, beta});
}

void NetworkPlanner::back_batch_norm(int number) {
  Node& n = node(number);
  const Op& o = op(number);
  const Tensor in = input_of(number).map;
  const auto gradient = gradient_of(number, in.desc);
  const Tensor next = successor(gradient);
  auto flags = dnnl::normalization_flags::use_shift;
  if (!o.gamma_is_one) flags |= dnnl::normalization_flags::use_scale;
  if (o.relu) flags |= dnnl::normalization_flags::fuse_norm_relu;
  const dnnl::batch_normalization_backward::primitive_desc primitive(
      {dnnl::prop_kind::backward, in.desc, in.desc, o.epsilon, flags}, primitive_attributes(), engine(), n.norm);
  Plan::Arguments arguments{{DNNL_ARG_SRC, in},
                            {DNNL_ARG_MEAN, n.mean},
                            {DNNL_ARG_VARIANCE, n.variance},
                            {DNNL_ARG_DIFF_DST, gradient.first},
                            {DNNL_ARG_DIFF_SRC, next}};
  if (o.relu) arguments.emplace_back(DNNL_ARG_WORKSPACE, n.workspace);
  if (!o.gamma_is_one) {
    const Parameter& gamma = parameter(number, Role::kGamma);
    arguments.emplace_back(DNNL_ARG_SCALE, vector_of(gamma, Region::kValues));
    arguments.emplace_back(DNNL_ARG_DIFF_SCALE, vector_of(gamma, Region::kGradients));
  }
  const Parameter& beta = parameter(number, Role::kBeta);
  arguments.emplace_back(DNNL_ARG_SHIFT, vector_of(beta, Region::kValues));
  arguments.emplace_back(DNNL_ARG_DIFF_SHIFT, vector_of(beta, Region::kGradients));
  plan_.add(primitive, std::move(arguments));
  give_gradient(o.inputs.front(), next, true);
}

void NetworkPlanner::back_relu(int number) {
  Node& n = node(number);
  const auto gradient = gradient_of(number, n.map.desc);
  const Tensor next = successor(gradient);
  const dnnl::eltwise_backward::primitive_desc primitive(
      {algorithm::eltwise_relu_use_dst_for_bwd, n.map.desc, n.map.desc}, primitive_attributes(), engine(), n.relu);
  plan_.add(primitive, {{DNNL_ARG_DST, n.map}, {DNNL_ARG_DIFF_DST, gradient.first}, {DNNL_ARG_DIFF_SRC, next}});
  give_gradient(op(number).inputs.front(), next, true);
}

void NetworkPlanner::back_pooling(int number) {
  Node& n = node(number);
  const Op& o = op(number);
  const Desc in = input_of(number).map.desc;
  const auto primitive = backward_pooling(graph_, o, in, n.pooling);
  const Tensor next = plan_.reserve(in);
  Plan::Arguments arguments{{DNNL_ARG_DIFF_DST, gradient_of(number, n.map.desc).first}, {DNNL_ARG_DIFF_SRC, next}};
  if (o.kind == OpKind::kMaxPool) arguments.emplace_back(DNNL_ARG_WORKSPACE, n.workspace);
  plan_.add(primitive, std::move(arguments));
  give_gradient(o.inputs.front(), next, true);
}

/// Both inputs get the gradient as it is, and share its memory.
void NetworkPlanner::back_sum(int number) {
  for (const int input : op(number).inputs) give_gradient(input, node(number).gradient, false);
}

void NetworkPlanner::back_linear(int number) {
  Node& n = node(number);
  const int input = op(number).inputs.front();
  const MapShape& from = op(input).shape;
  const std::int64_t outputs = op(number).shape.channels;
  const Desc weights_any({outputs, from.size()}, type_, Format::any), out({pictures_, outputs}, type_, Format::nc);

  const Parameter &weight = parameter(number, Role::kWeight), &bias = parameter(number, Role::kBias);
  const Tensor gradient = gradient_of(number, out).first;
  const dnnl::inner_product_backward_weights::primitive_desc by_weights(
      {n.input.desc, Desc({outputs, from.size()}, Type::f32, Format::any), Desc({outputs}, Type::f32, Format::a), out},
      primitive_attributes(), engine(), n.linear);
  const Tensor result = plan_.reserve(by_weights.diff_weights_desc());
  plan_.add(by_weights, {{DNNL_ARG_SRC, n.input},
                         {DNNL_ARG_DIFF_DST, gradient},
                         {DNNL_ARG_DIFF_WEIGHTS, result},
                         {DNNL_ARG_DIFF_BIAS, vector_of(bias, Region::kGradients)}});
  write_weight_gradient(weight, result, plain_weights(number));

  if (!gets_gradient(input)) return;
  const dnnl::inner_product_backward_data::primitive_desc by_data({n.input.desc, weights_any, out},
                                                                  primitive_attributes(), engine(), n.linear);
  const Tensor next = plan_.reserve(by_data.diff_src_desc());
  plan_.add(by_data, {{DNNL_ARG_DIFF_DST, gradient},
                      {DNNL_ARG_WEIGHTS, weights(number, by_data.weights_desc())},
                      {DNNL_ARG_DIFF_SRC, next}});
  give_gradient(input, Plan::view(next, map_desc(pictures_, from, type_, Format::nchw)), true);
}

}  // namespace clary::nn::onednn
