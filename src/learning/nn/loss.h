// SPDX-License-Identifier: Apache-2.0
// Losses on logits, their gradients, and probabilities. Pure functions; sums in float64.
#pragma once

#include <cstdint>
#include <span>

#include "learning/nn/network.h"

namespace clary::nn {

/// Loss of a batch and, unless `gradient` is empty, scale * its gradient by the logits.
///   kSoftmax:  sum over pictures of -log softmax(z)[label];              gradient scale (softmax(z) - onehot)
///   kLogistic: sum over pictures of mean over classes c of
///              -w (y log s(z) + (1 - y) log(1 - s(z))), s the sigmoid;   gradient scale w (s(z) - y) / C
///              w = positive_weights[c] where y = 1, negative_weights[c] where y = 0; 1 when they are empty
/// @param logits, gradient  [pictures, C]; gradient may be empty
/// @throws Error{kInvalid} on a label that is no class, or (kLogistic) neither 0 nor 1
double loss_and_gradient(Loss loss, std::int64_t classes, const PictureBatch& batch, std::span<const float> logits,
                         float scale, std::span<float> gradient);

}  // namespace clary::nn
