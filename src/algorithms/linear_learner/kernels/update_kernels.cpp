// SPDX-License-Identifier: Apache-2.0
// One optimizer step over a block of interleaved weights, in one pass: sum of the threads' gradients, weight decay,
// the rule, soft-threshold, running average.
#include "algorithms/linear_learner/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/linear_learner/kernels/update_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::linear_learner::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;

/// sign(w) max(|w| - threshold, 0)
HWY_INLINE V soft_threshold(D d, V w, V threshold) {
  return hn::CopySign(hn::Max(hn::Sub(hn::Abs(w), threshold), hn::Zero(d)), w);
}

template <Optimizer kOptimizer, bool kAverage>
HWY_INLINE void update_column(const StepRule& rule, I rows, I width, float* HWY_RESTRICT w, float* HWY_RESTRICT first,
                              float* HWY_RESTRICT second, float* const* gradients, int gradient_count, I column,
                              float* HWY_RESTRICT average) {
  const D d;
  const V rate = hn::LoadU(d, rule.rate + column), decay = hn::LoadU(d, rule.decay + column);
  const V shrink = hn::LoadU(d, rule.shrink + column);
  const V scale = hn::Set(d, rule.gradient_scale), zero = hn::Zero(d), tiny = hn::Set(d, 1e-8f);
  const V beta_1 = hn::Set(d, rule.beta_1), rest_1 = hn::Set(d, 1 - rule.beta_1);
  const V beta_2 = hn::Set(d, rule.beta_2), rest_2 = hn::Set(d, 1 - rule.beta_2);
  const V correct_1 = hn::Set(d, rule.first_correction), correct_2 = hn::Set(d, rule.second_correction);
  const V momentum = hn::Set(d, rule.momentum);
  for (I row = 0; row < rows; ++row) {
    const I i = row * width + column;
    V x = hn::LoadU(d, gradients[0] + i);
    hn::StoreU(zero, d, gradients[0] + i);
    for (int t = 1; t < gradient_count; ++t) {
      x = hn::Add(x, hn::LoadU(d, gradients[t] + i));
      hn::StoreU(zero, d, gradients[t] + i);
    }
    V weight = hn::LoadU(d, w + i);
    x = hn::MulAdd(decay, weight, hn::Mul(scale, x));
    V threshold = hn::Mul(rate, shrink);
    if constexpr (kOptimizer == Optimizer::kAdam) {
      const V m = hn::MulAdd(rest_1, x, hn::Mul(beta_1, hn::LoadU(d, first + i)));
      const V v = hn::MulAdd(hn::Mul(rest_2, x), x, hn::Mul(beta_2, hn::LoadU(d, second + i)));
      hn::StoreU(m, d, first + i);
      hn::StoreU(v, d, second + i);
      const V step = hn::Div(rate, hn::Add(hn::Sqrt(hn::Mul(v, correct_2)), tiny));
      weight = hn::NegMulAdd(step, hn::Mul(m, correct_1), weight);
      threshold = hn::Mul(step, shrink);
    } else if constexpr (kOptimizer == Optimizer::kRmsprop) {
      const V v = hn::MulAdd(hn::Mul(hn::Set(d, 0.1f), x), x, hn::Mul(hn::Set(d, 0.9f), hn::LoadU(d, second + i)));
      hn::StoreU(v, d, second + i);
      const V step = hn::Div(rate, hn::Add(hn::Sqrt(v), tiny));
      weight = hn::NegMulAdd(step, x, weight);
      threshold = hn::Mul(step, shrink);
    } else {
      const V m = hn::NegMulAdd(rate, x, hn::Mul(momentum, hn::LoadU(d, first + i)));
      hn::StoreU(m, d, first + i);
      weight = hn::Add(weight, m);
    }
    weight = soft_threshold(d, weight, threshold);
    hn::StoreU(weight, d, w + i);
    if constexpr (kAverage) hn::StoreU(hn::Add(weight, hn::LoadU(d, average + i)), d, average + i);
  }
}

template <Optimizer kOptimizer>
HWY_INLINE void update_all(const StepRule& rule, I rows, I width, float* w, float* first, float* second,
                           float* const* gradients, int gradient_count, float* average) {
  const I lanes = static_cast<I>(hn::Lanes(D()));
  for (I c = 0; c < width; c += lanes) {
    if (average) {
      update_column<kOptimizer, true>(rule, rows, width, w, first, second, gradients, gradient_count, c, average);
    } else {
      update_column<kOptimizer, false>(rule, rows, width, w, first, second, gradients, gradient_count, c, nullptr);
    }
  }
}

void Update(const StepRule* rule, I rows, I width, float* w, float* first, float* second, float* const* gradients,
            int gradient_count, float* average) {
  switch (rule->optimizer) {
    case Optimizer::kAdam:
      return update_all<Optimizer::kAdam>(*rule, rows, width, w, first, second, gradients, gradient_count, average);
    case Optimizer::kRmsprop:
      return update_all<Optimizer::kRmsprop>(*rule, rows, width, w, first, second, gradients, gradient_count, average);
    case Optimizer::kSgd:
      return update_all<Optimizer::kSgd>(*rule, rows, width, w, first, second, gradients, gradient_count, average);
  }
}

/// Vectors of weights are collected, updated like a block of one row, and put back.
void UpdateScattered(const StepRule* rule, I n, const std::int32_t* index, const float* gradient, float* w,
                     float* first, float* second) {
  alignas(64) float weight[kPad], m[kPad], v[kPad], g[kPad];
  for (I i = 0; i < n; i += kPad) {
    const I count = n - i < kPad ? n - i : kPad;
    for (I j = 0; j < kPad; ++j) {
      const auto at = index[i + (j < count ? j : 0)];
      weight[j] = w[at], m[j] = first[at], v[j] = second[at], g[j] = gradient[i + (j < count ? j : 0)];
    }
    float* part = g;
    Update(rule, 1, kPad, weight, m, v, &part, 1, nullptr);
    for (I j = 0; j < count; ++j) {
      const auto at = index[i + j];
      w[at] = weight[j], first[at] = m[j], second[at] = v[j];
    }
  }
}

}  // namespace clary::linear_learner::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::linear_learner::kernels {
HWY_EXPORT(Update);
HWY_EXPORT(UpdateScattered);

void update(const StepRule& rule, std::int64_t rows, std::int64_t width, float* w, float* first, float* second,
            float* const* gradients, int gradient_count, float* average) {
  HWY_DYNAMIC_DISPATCH(Update)(&rule, rows, width, w, first, second, gradients, gradient_count, average);
}
void update_scattered(const StepRule& rule, std::int64_t n, const std::int32_t* index, const float* gradient, float* w,
                      float* first, float* second) {
  HWY_DYNAMIC_DISPATCH(UpdateScattered)(&rule, n, index, gradient, w, first, second);
}
}  // namespace clary::linear_learner::kernels
#endif
