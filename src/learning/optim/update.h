// SPDX-License-Identifier: Apache-2.0
// One step of each optimizer over float32 arrays, compiled for SSE4, AVX2 and AVX-512 and chosen at run time (Highway).
// Widths are multiples of numeric::kPad; arrays need no alignment and do not overlap. Nothing here allocates, locks or
// keeps state, so every function may run on any thread.
//
// w weight, g gradient, first and second the rule's states, d decay. Both forms share the averages:
//   adam      first <- b1 first + (1 - b1) g,  second <- b2 second + (1 - b2) g^2
//   rmsprop   first <- 0.9 first + 0.1 g^2
//   adadelta  first <- 0.9 first + 0.1 g^2,  second <- 0.9 second + 0.1 delta^2
//   adagrad   first <- first + g^2
//   momentum  first <- momentum first - rate g
//   nesterov  first <- momentum first + g
#pragma once

#include <cstdint>

namespace clary::optim {

enum class Rule { kSgd, kMomentum, kNesterov, kAdam, kAdagrad, kRmsprop, kAdadelta };

/// One set of constants for all weights, and the order of MXNet 1.3.1's src/operator/optimizer_op-inl.h (AdaGrad,
/// AdaDelta and NAG: python/mxnet/optimizer.py), where decay is part of the gradient that is clipped only for Adam and
/// RMSProp:
///   sgd       w -= rate (clip(g) + d w)
///   momentum  g' = clip(g) + d w;  w += first
///   nesterov  g' = clip(g) + d w;  w -= rate (g' + momentum first)
///   adam      g' = clip(g + d w);  w -= rate first / (sqrt(second) + 1e-8)     b1 = 0.9, b2 = 0.999
///   adagrad   g' = clip(g);        w -= rate (g' / sqrt(first + 1e-7) + d w)
///   rmsprop   g' = clip(g + d w);  w -= rate g' / sqrt(first + 1e-8)
///   adadelta  g' = clip(g);        delta = sqrt((second + 1e-5) / (first + 1e-5)) g';  w -= delta + d w
/// The square roots of AdaDelta are one reciprocal square root refined by Newton's method: relative error below 2e-7 on
/// AVX-512, 5e-7 on AVX2. The constants of momentum, Adam and RMSProp may be others; those of AdaGrad and AdaDelta are
/// fixed.
struct Step {
  float rescale = 1;        // multiplies the gradient
  float clip = 0;           // element-wise bound; <= 0: none
  float learning_rate = 0;  // Adam: with its bias correction, see corrected_rate()
  float weight_decay = 0;
  float state_decay = 1;  // RMSProp, AdaDelta: first, and AdaDelta's second, are multiplied by it before the step
  float momentum = 0;     // kMomentum, kNesterov
  /// Adam's b1 and b2; RMSProp's share of the old average is b1. `rest` is 1 - b, given because 1 - 0.9f is not 0.1f.
  float beta_1 = 0.9f, rest_1 = 0.1f;
  float beta_2 = 0.999f, rest_2 = 0.001f;
  float epsilon = 1e-8f;  // Adam, RMSProp: in place of 1e-8
};
void update(Rule rule, const Step& step, std::int64_t width, float* w, float* first, float* second, const float* g);
/// The same with g = 0 throughout.
void update_without_gradient(Rule rule, const Step& step, std::int64_t width, float* w, float* first, float* second);

/// MXNet's Adam: rate sqrt(1 - b2^t) / (1 - b1^t) at step t >= 1.
float corrected_rate(float learning_rate, std::int64_t t, double beta_1 = 0.9, double beta_2 = 0.999);

/// Several models side by side, each with its own constants: a block is [rows, width], and column c of each row belongs
/// to one model ("lane"). Decay is always part of the gradient, and an L1 penalty is a soft threshold after the step:
///   g' = gradient_scale sum_i gradients[i] + d w
///   momentum  s = rate;  w += first
///   adam      s = rate / (sqrt(second / (1 - b2^t)) + 1e-8);  w -= s first / (1 - b1^t)     (Kingma, Ba, ICLR 2015)
///   rmsprop   s = rate / (sqrt(first) + 1e-8);  w -= s g'
///   w <- sign(w) max(|w| - s shrink, 0)
/// kMomentum, kAdam and kRmsprop.
struct LaneStep {
  Rule rule = Rule::kAdam;
  float momentum = 0, beta_1 = 0.9f, beta_2 = 0.999f;
  float first_correction = 1, second_correction = 1;  // Adam: 1 / (1 - b1^t), 1 / (1 - b2^t)
  float gradient_scale = 1;                           // 1 / rows of the batch
  const float* rate = nullptr;                        // [width]
  const float* decay = nullptr;                       // [width], L2
  const float* shrink = nullptr;                      // [width], L1
};
/// Clears the gradients. @param average  the new weights are added to it, or null
void update_lanes(const LaneStep& step, std::int64_t rows, std::int64_t width, float* w, float* first, float* second,
                  float* const* gradients, int gradient_count, float* average);
/// The same for single weights scattered over a vector: w[index[i]] with gradient[i]. Constants are those of lane 0.
void update_scattered(const LaneStep& step, std::int64_t n, const std::int32_t* index, const float* gradient, float* w,
                      float* first, float* second);

}  // namespace clary::optim
