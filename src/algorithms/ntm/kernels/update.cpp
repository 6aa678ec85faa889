// SPDX-License-Identifier: Apache-2.0
// The five optimizers' element-wise steps, in MXNet 1.3.1's order (ntm.md section 1.4). The square roots of AdaDelta
// are one reciprocal square root refined by Newton's method: relative error below 2e-7 on AVX-512, 5e-7 on AVX2.
#include "algorithms/ntm/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/ntm/kernels/update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::ntm::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;

HWY_INLINE V reciprocal_sqrt(D d, V x) {
  const V y = hn::ApproximateReciprocalSqrt(x);
  const V half = hn::Mul(hn::Set(d, 0.5f), x);
  return hn::Mul(y, hn::NegMulAdd(hn::Mul(half, y), y, hn::Set(d, 1.5f)));
}

template <Rule kRule, bool kGradient>
HWY_INLINE void update_rule(const StepScalars& step, I width, float* HWY_RESTRICT w, float* HWY_RESTRICT s1,
                            float* HWY_RESTRICT s2, const float* HWY_RESTRICT g) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V rescale = hn::Set(d, step.rescale), wd = hn::Set(d, step.weight_decay), rate = hn::Set(d, step.learning_rate);
  const V bound = hn::Set(d, step.clip), low = hn::Neg(bound), decay = hn::Set(d, step.state_decay);
  const bool clips = step.clip > 0;
  const auto clip = [&](V x) { return clips ? hn::Min(hn::Max(x, low), bound) : x; };
  constexpr bool kClipLast = kRule == Rule::kAdam || kRule == Rule::kRmsprop;  // clips after weight decay was added
  for (I i = 0; i < width; i += lanes) {
    V weight = hn::LoadU(d, w + i);
    V x = hn::Zero(d);
    if constexpr (kGradient) x = hn::Mul(rescale, hn::LoadU(d, g + i));
    if constexpr (kClipLast) x = hn::MulAdd(wd, weight, x);
    x = clip(x);
    if constexpr (kRule == Rule::kSgd) {
      weight = hn::NegMulAdd(rate, hn::MulAdd(wd, weight, x), weight);
    } else if constexpr (kRule == Rule::kAdam) {
      const V m = hn::MulAdd(hn::Set(d, 0.1f), x, hn::Mul(hn::Set(d, 0.9f), hn::LoadU(d, s1 + i)));
      const V v = hn::MulAdd(hn::Mul(hn::Set(d, 0.001f), x), x, hn::Mul(hn::Set(d, 0.999f), hn::LoadU(d, s2 + i)));
      weight = hn::Sub(weight, hn::Div(hn::Mul(rate, m), hn::Add(hn::Sqrt(v), hn::Set(d, 1e-8f))));
      hn::StoreU(m, d, s1 + i);
      hn::StoreU(v, d, s2 + i);
    } else if constexpr (kRule == Rule::kAdagrad) {
      const V s = hn::MulAdd(x, x, hn::LoadU(d, s1 + i));
      const V slope = hn::Div(x, hn::Sqrt(hn::Add(s, hn::Set(d, 1e-7f))));
      weight = hn::NegMulAdd(rate, hn::MulAdd(wd, weight, slope), weight);
      hn::StoreU(s, d, s1 + i);
    } else if constexpr (kRule == Rule::kRmsprop) {
      const V old = hn::Mul(decay, hn::LoadU(d, s1 + i));
      const V n = hn::MulAdd(hn::Mul(hn::Set(d, 0.1f), x), x, hn::Mul(hn::Set(d, 0.9f), old));
      weight = hn::NegMulAdd(rate, hn::Div(x, hn::Sqrt(hn::Add(n, hn::Set(d, 1e-8f)))), weight);
      hn::StoreU(n, d, s1 + i);
    } else {
      const V rho = hn::Set(d, 0.9f), rest = hn::Set(d, 0.1f), eps = hn::Set(d, 1e-5f);
      const V s = hn::MulAdd(hn::Mul(rest, x), x, hn::Mul(rho, hn::Mul(decay, hn::LoadU(d, s1 + i))));
      const V u = hn::Mul(decay, hn::LoadU(d, s2 + i));
      const V top = hn::Add(u, eps);
      const V delta = hn::Mul(hn::Mul(top, reciprocal_sqrt(d, hn::Mul(top, hn::Add(s, eps)))), x);
      hn::StoreU(s, d, s1 + i);
      hn::StoreU(hn::MulAdd(hn::Mul(rest, delta), delta, hn::Mul(rho, u)), d, s2 + i);
      weight = hn::Sub(weight, hn::MulAdd(wd, weight, delta));
    }
    hn::StoreU(weight, d, w + i);
  }
}

template <bool kGradient>
HWY_INLINE void choose(Rule rule, const StepScalars& step, I width, float* w, float* s1, float* s2, const float* g) {
  switch (rule) {
    case Rule::kSgd: return update_rule<Rule::kSgd, kGradient>(step, width, w, s1, s2, g);
    case Rule::kAdam: return update_rule<Rule::kAdam, kGradient>(step, width, w, s1, s2, g);
    case Rule::kAdagrad: return update_rule<Rule::kAdagrad, kGradient>(step, width, w, s1, s2, g);
    case Rule::kRmsprop: return update_rule<Rule::kRmsprop, kGradient>(step, width, w, s1, s2, g);
    case Rule::kAdadelta: return update_rule<Rule::kAdadelta, kGradient>(step, width, w, s1, s2, g);
  }
}

void Update(Rule rule, const StepScalars* step, I width, float* w, float* s1, float* s2, const float* g) {
  if (g) {
    choose<true>(rule, *step, width, w, s1, s2, g);
  } else {
    choose<false>(rule, *step, width, w, s1, s2, g);
  }
}

}  // namespace clary::ntm::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::ntm::kernels {
HWY_EXPORT(Update);

void update(Rule rule, const StepScalars& step, std::int64_t width, float* w, float* s1, float* s2, const float* g) {
  HWY_DYNAMIC_DISPATCH(Update)(rule, &step, width, w, s1, s2, g);
}
void update_without_gradient(Rule rule, const StepScalars& step, std::int64_t width, float* w, float* s1, float* s2) {
  HWY_DYNAMIC_DISPATCH(Update)(rule, &step, width, w, s1, s2, nullptr);
}
}  // namespace clary::ntm::kernels
#endif
