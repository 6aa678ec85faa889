// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/convolution.h"

#include <algorithm>

#include "learning/numeric/index.h"

namespace clary::nn::onednn {
namespace {

using dnnl::algorithm;

// Measured with one thread, AVX-512, 3x3 at 128 pictures of 32x32x16 and 16x16x32: forward 6.5 (direct) and 8.6 ms, 6.1
// and 3.4 ms; by weights 6.9 and 4.9 ms, 6.5 and 2.5 ms.
constexpr std::int64_t kFewestChannels = 32, kFewestChannelsOfWeights = 16;

struct Descs {
  Desc in, weights, bias, out;
  memory::dims strides, pads;

  explicit Descs(const ConvolutionSize& size)
      : in(map_desc(size.pictures, size.in, size.type)),
        weights({size.out.channels, size.in.channels, size.kernel, size.kernel}, size.type, Format::any),
        bias({size.out.channels}, Type::f32, Format::a),
        out(map_desc(size.pictures, size.out, size.type)),
        strides{size.stride, size.stride},
        pads{size.pad, size.pad} {}
};

struct Window {
  algorithm way = algorithm::pooling_max;
  memory::dims kernel, strides, pads;

  Window(const Graph& graph, const Op& op)
      : kernel{op.kernel, op.kernel}, strides{op.stride, op.stride}, pads{op.pad, op.pad} {
    if (op.kind != OpKind::kGlobalPool) return;
    const MapShape& in = graph.ops[numeric::at(op.inputs.front())].shape;
    way = algorithm::pooling_avg_exclude_padding;
    kernel = {in.height, in.width};
  }
};

/// make(algorithm) with Winograd where it pays and oneDNN has it for this CPU, else with the direct algorithm.
template <class PrimitiveDesc, class Make>
PrimitiveDesc best(const ConvolutionSize& size, std::int64_t fewest_channels, Make&& make) {
  constexpr bool kMayBeMissing = true;
  if (winograd_pays(size, fewest_channels))
    if (PrimitiveDesc description = make(algorithm::convolution_winograd, kMayBeMissing)) return description;
  return make(algorithm::convolution_direct, !kMayBeMissing);
}

}  // namespace

ConvolutionSize convolution_size(const Graph& graph, const Op& op, std::int64_t pictures, Type type) {
  const MapShape& in = graph.ops[numeric::at(op.inputs.front())].shape;
  return {pictures, in, op.shape, op.kernel, op.stride, op.pad, type};
}

bool winograd_pays(const ConvolutionSize& size, std::int64_t fewest_channels) {
  constexpr std::int64_t kCachedKernels = 128 * 128, kFewestPositions = 8 * 7 * 7;
  return size.type == Type::f32 && size.kernel == 3 && size.stride == 1 &&
         std::min(size.in.channels, size.out.channels) >= fewest_channels &&
         (size.in.channels * size.out.channels <= kCachedKernels ||
          size.pictures * size.out.height * size.out.width >= kFewestPositions);
}

dnnl::convolution_forward::primitive_desc forward_convolution(const ConvolutionSize& size, dnnl::prop_kind kind,
                                                              bool bias, const dnnl::primitive_attr& attributes) {
  using Convolution = dnnl::convolution_forward;
  const Descs d(size);
  return best<Convolution::primitive_desc>(size, kFewestChannels, [&](algorithm way, bool may_be_missing) {
    const auto desc = bias ? Convolution::desc(kind, way, d.in, d.weights, d.bias, d.out, d.strides, d.pads, d.pads)
                           : Convolution::desc(kind, way, d.in, d.weights, d.out, d.strides, d.pads, d.pads);
    return Convolution::primitive_desc(desc, attributes, engine(), may_be_missing);
  });
}

dnnl::convolution_forward::primitive_desc integer_convolution(const ConvolutionSize& size, Type out,
                                                              const dnnl::primitive_attr& attributes) {
  using Convolution = dnnl::convolution_forward;
  const Descs d(size);
  const Desc weights(d.weights.dims(), Type::s8, Format::any);
  return {Convolution::desc(dnnl::prop_kind::forward_inference, algorithm::convolution_direct,
                            map_desc(size.pictures, size.in, Type::u8, Format::nhwc), weights, d.bias,
                            map_desc(size.pictures, size.out, out, Format::nhwc), d.strides, d.pads, d.pads),
          attributes, engine()};
}

dnnl::convolution_backward_data::primitive_desc backward_data_convolution(
    const ConvolutionSize& size, const dnnl::convolution_forward::primitive_desc& forward) {
  using Convolution = dnnl::convolution_backward_data;
  const Descs d(size);
  return best<Convolution::primitive_desc>(size, kFewestChannels, [&](algorithm way, bool may_be_missing) {
    const Convolution::desc desc(way, d.in, d.weights, d.out, d.strides, d.pads, d.pads);
    return Convolution::primitive_desc(desc, primitive_attributes(), engine(), forward, may_be_missing);
  });
}

dnnl::convolution_backward_weights::primitive_desc backward_weights_convolution(
    const ConvolutionSize& size, const dnnl::convolution_forward::primitive_desc& forward) {
  using Convolution = dnnl::convolution_backward_weights;
  const Descs d(size);
  const Desc gradient(d.weights.dims(), Type::f32, Format::any);
  return best<Convolution::primitive_desc>(size, kFewestChannelsOfWeights, [&](algorithm way, bool may_be_missing) {
    const Convolution::desc desc(way, d.in, gradient, d.out, d.strides, d.pads, d.pads);
    return Convolution::primitive_desc(desc, primitive_attributes(), engine(), forward, may_be_missing);
  });
}

dnnl::pooling_forward::primitive_desc forward_pooling(const Graph& graph, const Op& op, dnnl::prop_kind kind,
                                                      const Desc& in) {
  const Window w(graph, op);
  const Desc out = map_desc(in.dims()[0], op.shape, in.data_type());
  return {{kind, w.way, in, out, w.strides, w.kernel, w.pads, w.pads}, primitive_attributes(), engine()};
}

dnnl::pooling_backward::primitive_desc backward_pooling(const Graph& graph, const Op& op, const Desc& in,
                                                        const dnnl::pooling_forward::primitive_desc& forward) {
  const Window w(graph, op);
  return {
      {w.way, in, forward.dst_desc(), w.strides, w.kernel, w.pads, w.pads}, primitive_attributes(), engine(), forward};
}

}  // namespace clary::nn::onednn
