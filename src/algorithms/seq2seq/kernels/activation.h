// SPDX-License-Identifier: Apache-2.0
// What follows a convolution's products: bias and activation, and the way back. R rows, H units, O feature maps (2 H
// for glu, else H). Row-major float32 without gaps. Nothing here allocates, locks or keeps state.
#pragma once

#include <cstdint>

#include "algorithms/seq2seq/model/architecture.h"

namespace clary::seq2seq::kernels {

/// z = act(sums + bias). glu: first half times sigmoid of the second half; softrelu: log(1 + e^x).
/// @param bias  [O]
/// @param sums  [R, O]  in: sums before the bias; out: what activate_backward() needs (glu: first half and the sigmoid;
///              else the activation's slope)
/// @param z     [R, H]
void activate(ConvActivation kind, std::int64_t rows, std::int64_t units, const float* bias, float* sums, float* z);

/// @param dz    [R, H]  gradient of z
/// @param kept  [R, O]  in: as activate() left the sums; out: gradient of the sums before the activation
void activate_backward(ConvActivation kind, std::int64_t rows, std::int64_t units, const float* dz, float* kept);

}  // namespace clary::seq2seq::kernels
