// SPDX-License-Identifier: Apache-2.0
// Which of oneDNN's convolutions a layer gets, and its poolings. Internal.
#pragma once

#include <cstdint>

#include "learning/nn/onednn.h"

namespace clary::nn::onednn {

/// A layer of one size.
struct ConvolutionSize {
  std::int64_t pictures = 0;
  MapShape in, out;
  std::int64_t kernel = 0, stride = 1, pad = 0;
  Type type = Type::f32;
};
ConvolutionSize convolution_size(const Graph& graph, const Op& op, std::int64_t pictures, Type type);

/// Whether Winograd's minimal filtering (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR
/// 2016; oneDNN has F(4x4, 3x3) and F(2x2, 3x3) in float32) pays: 3x3 kernels of stride 1, at least `fewest_channels`
/// on both sides, so that the products outweigh the transforms, and enough positions to read the transformed weights
/// for (they are up to four times the weights) where those exceed a core's cache. A rule, not a measurement at run
/// time, so that results repeat.
bool winograd_pays(const ConvolutionSize& size, std::int64_t fewest_channels);

/// Memory formats are oneDNN's choice. `attributes` are applied to it (operations on the output).
dnnl::convolution_forward::primitive_desc forward_convolution(const ConvolutionSize& size, dnnl::prop_kind kind,
                                                              bool bias, const dnnl::primitive_attr& attributes);
/// A convolution with bias in 8-bit integers: unsigned maps, signed weights, sums of 32 bits; the output is unsigned
/// bytes or float32. Maps are channels-last. size.type has no part in it.
dnnl::convolution_forward::primitive_desc integer_convolution(const ConvolutionSize& size, Type out,
                                                              const dnnl::primitive_attr& attributes);
dnnl::convolution_backward_data::primitive_desc backward_data_convolution(
    const ConvolutionSize& size, const dnnl::convolution_forward::primitive_desc& forward);
/// The gradient of the weights is float32.
dnnl::convolution_backward_weights::primitive_desc backward_weights_convolution(
    const ConvolutionSize& size, const dnnl::convolution_forward::primitive_desc& forward);

/// kMaxPool or kGlobalPool on maps of layout `in`.
dnnl::pooling_forward::primitive_desc forward_pooling(const Graph& graph, const Op& op, dnnl::prop_kind kind,
                                                      const Desc& in);
/// The maps' gradients have the maps' layouts.
dnnl::pooling_backward::primitive_desc backward_pooling(const Graph& graph, const Op& op, const Desc& in,
                                                        const dnnl::pooling_forward::primitive_desc& forward);

}  // namespace clary::nn::onednn
