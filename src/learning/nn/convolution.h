// SPDX-License-Identifier: Apache-2.0
// Which of oneDNN's convolutions a layer gets. Internal.
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
/// 2016; oneDNN has F(4x4, 3x3) in float32) pays: 3x3 kernels of stride 1 with enough channels on both sides that the
/// products outweigh the transforms. A rule, not a measurement at run time, so that results repeat.
bool winograd_pays(const ConvolutionSize& size);

/// Memory formats are oneDNN's choice. `attributes` are applied to it (operations on the output).
dnnl::convolution_forward::primitive_desc forward_convolution(const ConvolutionSize& size, dnnl::prop_kind kind,
                                                              bool bias, const dnnl::primitive_attr& attributes);
dnnl::convolution_backward_data::primitive_desc backward_data_convolution(
    const ConvolutionSize& size, const dnnl::convolution_forward::primitive_desc& forward);
/// The gradient of the weights is float32.
dnnl::convolution_backward_weights::primitive_desc backward_weights_convolution(
    const ConvolutionSize& size, const dnnl::convolution_forward::primitive_desc& forward);

}  // namespace clary::nn::onednn
