// SPDX-License-Identifier: Apache-2.0
// The part of a predictor's plan that is in 8-bit integers. With levels q of the input (x = q s_in), signed bytes w'
// for the weights of output channel o (w = w' s_o) and integer sums,
//   y_o = s_in s_o (sum of q w' + b_o / (s_in s_o))
// to which the shortcut is added and the rectifier applied in float32; an output that convolutions alone read is
// written as levels at once.
#include <algorithm>
#include <bit>
#include <cmath>

#include "learning/nn/convolution.h"
#include "learning/nn/predictor.h"
#include "learning/nn/predictor_plan.h"
#include "learning/numeric/index.h"

namespace clary::nn {
namespace {

bool is_never_negative(const Graph& graph, int number) {
  const Op& op = graph.ops[numeric::at(number)];
  switch (op.kind) {
    case OpKind::kBatchNorm:
      return op.relu;
    case OpKind::kRelu:
      return true;
    case OpKind::kMaxPool:
      return is_never_negative(graph, op.inputs.front());
    default:
      return false;
  }
}

}  // namespace

std::vector<bool> integer_maps(const Graph& graph) {
  std::vector<bool> out(graph.ops.size());
  for (const Op& op : graph.ops)
    if (op.kind == OpKind::kConvolution)
      out[numeric::at(op.inputs.front())] = is_never_negative(graph, op.inputs.front());
  return out;
}

namespace onednn {
namespace {

using dnnl::algorithm;
using numeric::at;

constexpr float kLevels = 255;

/// Of the weights. Two products of neighbouring inputs are added in 16 bits where the CPU has no instruction that adds
/// four in 32 (VNNI): 2 * 255 * 63 fits, 2 * 255 * 127 does not.
float weight_levels() {
  const auto isa = dnnl::get_effective_cpu_isa();
  const bool has_vnni = isa == dnnl::cpu_isa::avx2_vnni ||
                        (static_cast<unsigned>(isa) & static_cast<unsigned>(dnnl::cpu_isa::avx512_core_vnni)) ==
                            static_cast<unsigned>(dnnl::cpu_isa::avx512_core_vnni);
  return has_vnni ? 127.0F : 63.0F;
}

/// Levels per unit of each output channel's weights [O, ...], which are multiplied by the channel's factor.
numeric::Floats weight_levels_per_unit(std::span<const float> weights, std::span<const float> factors) {
  const std::size_t slice = weights.size() / factors.size();
  numeric::Floats out;
  for (std::size_t o = 0; o < factors.size(); ++o) {
    // Without their sign, floats are ordered as their bits are: a maximum of integers, which compilers vectorise.
    std::uint32_t bits = 0;
    for (std::size_t i = o * slice; i < (o + 1) * slice; ++i)
      bits = std::max(bits, std::bit_cast<std::uint32_t>(weights[i]) & 0x7FFFFFFFU);
    const float largest = std::bit_cast<float>(bits) * std::abs(factors[o]);
    out.push_back(largest > 0 ? weight_levels() / largest : 1);
  }
  return out;
}

}  // namespace

bool PredictorPlanner::has_levels(int number) const {
  return !options_.largest.empty() && integer_maps_[at(number)] && options_.largest[at(number)] > 0;
}

float PredictorPlanner::levels_per_unit(int number) const { return kLevels / options_.largest[at(number)]; }

bool PredictorPlanner::is_read_as_levels_only(int number) const {
  return std::ranges::all_of(graph_.ops, [&](const Op& o) {
    return o.kind == OpKind::kConvolution || std::ranges::find(o.inputs, number) == o.inputs.end();
  });
}

Tensor PredictorPlanner::levels(int number) {
  Node& n = node(number);
  if (n.levels.buffer < 0) n.levels = make_levels(number);
  return n.levels;
}

Tensor PredictorPlanner::read_levels(int number) {
  const Tensor tensor = levels(number);
  --node(number).readers;
  return tensor;
}

Tensor PredictorPlanner::make_levels(int number) {
  if (is_read_as_levels_only(number)) {
    const Chain chain = chain_to(number);
    if (chain.convolution >= 0 && chain.sum < 0 && is_integer(chain)) return integer_convolution(chain, number);
    if (chain.convolution < 0 && op(number).kind == OpKind::kBatchNorm) return normalized_levels(number);
  }
  const Tensor in = map(number);
  dnnl::primitive_attr attributes = primitive_attributes();
  attributes.set_output_scales(0, {levels_per_unit(number)});
  const Tensor out = plan_.reserve(map_desc(options_.pictures, op(number).shape, Type::u8, Format::nhwc));
  plan_.add(dnnl::reorder::primitive_desc(engine(), in.desc, engine(), out.desc, attributes),
            {{DNNL_ARG_FROM, in}, {DNNL_ARG_TO, out}});
  return out;
}

/// Levels of max(0, factor x + shift), a batch norm that no convolution precedes, in one pass.
Tensor PredictorPlanner::normalized_levels(int number) {
  const MapShape& shape = op(number).shape;
  Affine norm = affine(number);
  for (auto* values : {&norm.factor, &norm.shift})
    for (float& v : *values) v *= levels_per_unit(number);
  const Tensor in = plan_.in_layout(read(op(number).inputs.front()).first,
                                    map_desc(options_.pictures, shape, Type::f32, Format::nhwc));
  const Tensor out = plan_.reserve(map_desc(options_.pictures, shape, Type::u8, Format::nhwc));
  const Desc by_channel({1, shape.channels, 1, 1}, Type::f32, Format::nhwc);
  dnnl::post_ops operations;
  operations.append_binary(algorithm::binary_add, by_channel);
  operations.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
  dnnl::primitive_attr attributes = primitive_attributes();
  attributes.set_post_ops(operations);
  plan_.add(dnnl::binary::primitive_desc({algorithm::binary_mul, in.desc, by_channel, out.desc}, attributes, engine()),
            {{DNNL_ARG_SRC_0, in},
             {DNNL_ARG_SRC_1, constants_.add(plan_, by_channel, by_channel, std::move(norm.factor))},
             {DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
              constants_.add(plan_, by_channel, by_channel, std::move(norm.shift))},
             {DNNL_ARG_DST, out}});
  return out;
}

Tensor PredictorPlanner::integer_convolution(const Chain& chain, int levels_of) {
  const Op& o = op(chain.convolution);
  const int input = o.inputs.front();
  Affine after{numeric::Floats(at(o.shape.channels), 1.0F), numeric::Floats(at(o.shape.channels))};
  if (chain.norm >= 0) after = affine(chain.norm);
  levels(input);  // both maps exist before either counts as read, as in convolution()
  if (chain.sum >= 0) map(chain.other);
  const Tensor in = read_levels(input);

  const auto weights = values(chain.convolution, Role::kWeight);
  const numeric::Floats per_unit = weight_levels_per_unit(weights, after.factor);
  const float output_levels = levels_of == kFloat32Output ? 1 : levels_per_unit(levels_of);
  std::vector<float> output_scales;
  for (std::size_t c = 0; c < per_unit.size(); ++c) {
    const float unit = 1 / (per_unit[c] * levels_per_unit(input));  // of the integer sums
    after.factor[c] *= per_unit[c];
    after.shift[c] /= unit;
    output_scales.push_back(unit * output_levels);
  }
  constexpr int kByOutputChannel = 1 << 1;
  dnnl::primitive_attr attributes = attributes_of(chain);
  attributes.set_output_scales(kByOutputChannel, output_scales);
  const ConvolutionSize size = convolution_size(graph_, o, options_.pictures, options_.type);
  const auto primitive =
      onednn::integer_convolution(size, levels_of == kFloat32Output ? Type::f32 : Type::u8, attributes);
  const Tensor out = output(chain, primitive.dst_desc());
  const Desc plain({o.shape.channels, size.in.channels, o.kernel, o.kernel}, Type::f32, Format::oihw);
  plan_.add(primitive, {{DNNL_ARG_SRC, in},
                        {DNNL_ARG_WEIGHTS, constants_.add_weights(plan_, primitive.weights_desc(), plain, weights,
                                                                  std::move(after.factor))},
                        {DNNL_ARG_BIAS, vector(std::move(after.shift))},
                        {DNNL_ARG_DST, out}});
  return out;
}

}  // namespace onednn
}  // namespace clary::nn
