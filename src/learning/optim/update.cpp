// SPDX-License-Identifier: Apache-2.0
#include "learning/optim/update.h"

#include <cmath>

#include "learning/numeric/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "learning/optim/update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::optim::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;

// What both forms of a rule share. `rest` is 1 - keep, given by the caller because 1 - 0.9f is not 0.1f.

HWY_INLINE V average(V keep, V rest, V old, V x) { return hn::MulAdd(rest, x, hn::Mul(keep, old)); }
HWY_INLINE V average_of_square(V keep, V rest, V old, V x) {
  return hn::MulAdd(hn::Mul(rest, x), x, hn::Mul(keep, old));
}

// One Newton-Raphson step on the hardware's estimate: y' = y (3/2 - x y^2 / 2). Twelve to fourteen bits become some
// 23.
HWY_INLINE V reciprocal_sqrt(D d, V x) {
  const V y = hn::ApproximateReciprocalSqrt(x);
  const V half = hn::Mul(hn::Set(d, 0.5f), x);
  return hn::Mul(y, hn::NegMulAdd(hn::Mul(half, y), y, hn::Set(d, 1.5f)));
}

/// sign(w) max(|w| - threshold, 0), the proximal operator of threshold * |w|: how the l1 penalty is applied after a
/// step. By a comparison: Max() may answer 0 for NaN, and a model that diverged must show it.
HWY_INLINE V soft_threshold(D d, V w, V threshold) {
  const V rest = hn::Sub(hn::Abs(w), threshold);
  return hn::CopySign(hn::IfThenZeroElse(hn::Lt(rest, hn::Zero(d)), rest), w);
}

constexpr bool has_first(Rule rule) { return rule != Rule::kSgd; }
constexpr bool has_second(Rule rule) { return rule == Rule::kAdam || rule == Rule::kAdadelta; }

// One pass over the weights, all states in registers. Padding lanes hold zeros and stay zeros. The rules are MXNet's
// (python/mxnet/optimizer.py, src/operator/optimizer_op-inl.h), to the constants, so that a training can be compared
// with one there.
template <Rule kRule, bool kGradient>
HWY_INLINE void update_rule(const Step& step, I width, float* HWY_RESTRICT w, float* HWY_RESTRICT first,
                            float* HWY_RESTRICT second, const float* HWY_RESTRICT g) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V rescale = hn::Set(d, step.rescale), wd = hn::Set(d, step.weight_decay), rate = hn::Set(d, step.learning_rate);
  const V bound = hn::Set(d, step.clip), low = hn::Neg(bound), decay = hn::Set(d, step.state_decay);
  const V nine = hn::Set(d, 0.9f), one = hn::Set(d, 0.1f), momentum = hn::Set(d, step.momentum);
  const V beta_1 = hn::Set(d, step.beta_1), rest_1 = hn::Set(d, step.rest_1), epsilon = hn::Set(d, step.epsilon);
  const bool clips = step.clip > 0;
  const auto clip = [&](V x) { return clips ? hn::Min(hn::Max(x, low), bound) : x; };
  constexpr bool kClipLast = kRule == Rule::kAdam || kRule == Rule::kRmsprop;  // clips after weight decay was added
  for (I i = 0; i < width; i += lanes) {
    V weight = hn::LoadU(d, w + i), s1 = hn::Zero(d), s2 = hn::Zero(d), x = hn::Zero(d);
    if constexpr (has_first(kRule)) s1 = hn::LoadU(d, first + i);
    // state_decay: the accumulated decay of steps that a row was not updated in (sparse gradients), applied when it
    // is.
    if constexpr (has_second(kRule)) s2 = hn::LoadU(d, second + i);
    if constexpr (kGradient) x = hn::Mul(rescale, hn::LoadU(d, g + i));
    if constexpr (kClipLast) x = hn::MulAdd(wd, weight, x);
    x = clip(x);
    if constexpr (kRule == Rule::kSgd) {
      weight = hn::NegMulAdd(rate, hn::MulAdd(wd, weight, x), weight);
    } else if constexpr (kRule == Rule::kMomentum) {
      s1 = hn::NegMulAdd(rate, hn::MulAdd(wd, weight, x), hn::Mul(momentum, s1));
      weight = hn::Add(weight, s1);
    } else if constexpr (kRule == Rule::kNesterov) {
      x = hn::MulAdd(wd, weight, x);
      s1 = hn::MulAdd(momentum, s1, x);
      weight = hn::NegMulAdd(rate, hn::MulAdd(momentum, s1, x), weight);
    } else if constexpr (kRule == Rule::kAdam) {
      // Adam (Kingma & Ba, 2015). The correction of both averages for their start at zero is in the rate:
      // corrected_rate().
      s1 = average(beta_1, rest_1, s1, x);
      s2 = average_of_square(hn::Set(d, step.beta_2), hn::Set(d, step.rest_2), s2, x);
      weight = hn::Sub(weight, hn::Div(hn::Mul(rate, s1), hn::Add(hn::Sqrt(s2), epsilon)));
    } else if constexpr (kRule == Rule::kAdagrad) {
      // AdaGrad (Duchi et al., 2011): the sum of squares, epsilon inside the root.
      s1 = hn::MulAdd(x, x, s1);
      const V slope = hn::Div(x, hn::Sqrt(hn::Add(s1, hn::Set(d, 1e-7f))));
      weight = hn::NegMulAdd(rate, hn::MulAdd(wd, weight, slope), weight);
    } else if constexpr (kRule == Rule::kRmsprop) {
      // RMSProp (Tieleman & Hinton, 2012): a moving average of squares.
      s1 = average_of_square(beta_1, rest_1, hn::Mul(decay, s1), x);
      weight = hn::NegMulAdd(rate, hn::Div(x, hn::Sqrt(hn::Add(s1, epsilon))), weight);
    } else {
      // AdaDelta (Zeiler, 2012): the step is g sqrt(avg(delta^2) + eps) / sqrt(avg(g^2) + eps), written as top *
      // rsqrt(top * bottom), which needs one root instead of two.
      static_assert(kRule == Rule::kAdadelta);
      const V eps = hn::Set(d, 1e-5f);
      s1 = average_of_square(nine, one, hn::Mul(decay, s1), x);
      s2 = hn::Mul(decay, s2);
      const V top = hn::Add(s2, eps);
      const V delta = hn::Mul(hn::Mul(top, reciprocal_sqrt(d, hn::Mul(top, hn::Add(s1, eps)))), x);
      s2 = average_of_square(nine, one, s2, delta);
      weight = hn::Sub(weight, hn::MulAdd(wd, weight, delta));
    }
    if constexpr (has_first(kRule)) hn::StoreU(s1, d, first + i);
    if constexpr (has_second(kRule)) hn::StoreU(s2, d, second + i);
    hn::StoreU(weight, d, w + i);
  }
}

// The switch is outside of the loop over weights: each rule is a kernel of its own without branches.
template <bool kGradient>
HWY_INLINE void choose(Rule rule, const Step& step, I width, float* w, float* first, float* second, const float* g) {
  switch (rule) {
    case Rule::kSgd:
      return update_rule<Rule::kSgd, kGradient>(step, width, w, first, second, g);
    case Rule::kAdam:
      return update_rule<Rule::kAdam, kGradient>(step, width, w, first, second, g);
    case Rule::kAdagrad:
      return update_rule<Rule::kAdagrad, kGradient>(step, width, w, first, second, g);
    case Rule::kRmsprop:
      return update_rule<Rule::kRmsprop, kGradient>(step, width, w, first, second, g);
    case Rule::kAdadelta:
      return update_rule<Rule::kAdadelta, kGradient>(step, width, w, first, second, g);
    case Rule::kMomentum:
      return update_rule<Rule::kMomentum, kGradient>(step, width, w, first, second, g);
    case Rule::kNesterov:
      return update_rule<Rule::kNesterov, kGradient>(step, width, w, first, second, g);
  }
}

void Update(Rule rule, const Step* step, I width, float* w, float* first, float* second, const float* g) {
  if (g) {
    choose<true>(rule, *step, width, w, first, second, g);
  } else {
    choose<false>(rule, *step, width, w, first, second, g);
  }
}

// Models trained side by side lie in the columns: rate, decay and penalty differ by lane, everything else is common.
// The gradients of all threads are summed here and cleared, which saves a pass over each.
template <Rule kRule, bool kAverage>
HWY_INLINE void update_column(const LaneStep& step, I rows, I width, float* HWY_RESTRICT w, float* HWY_RESTRICT first,
                              float* HWY_RESTRICT second, float* const* gradients, int gradient_count, I column,
                              float* HWY_RESTRICT sum) {
  const D d;
  const V rate = hn::LoadU(d, step.rate + column), decay = hn::LoadU(d, step.decay + column);
  const V shrink = hn::LoadU(d, step.shrink + column);
  const V scale = hn::Set(d, step.gradient_scale), zero = hn::Zero(d), tiny = hn::Set(d, 1e-8f);
  const V beta_1 = hn::Set(d, step.beta_1), rest_1 = hn::Set(d, 1 - step.beta_1);
  const V beta_2 = hn::Set(d, step.beta_2), rest_2 = hn::Set(d, 1 - step.beta_2);
  const V correct_1 = hn::Set(d, step.first_correction), correct_2 = hn::Set(d, step.second_correction);
  const V momentum = hn::Set(d, step.momentum);
  for (I row = 0; row < rows; ++row) {
    const I i = row * width + column;
    // In the order of the threads: the sum has the same bits in every run.
    V x = hn::LoadU(d, gradients[0] + i);
    hn::StoreU(zero, d, gradients[0] + i);
    for (int t = 1; t < gradient_count; ++t) {
      x = hn::Add(x, hn::LoadU(d, gradients[t] + i));
      hn::StoreU(zero, d, gradients[t] + i);
    }
    V weight = hn::LoadU(d, w + i);
    // L2 penalty as part of the gradient; L1 by soft_threshold() below, with the same effective rate as the step
    // itself.
    x = hn::MulAdd(decay, weight, hn::Mul(scale, x));
    V threshold = hn::Mul(rate, shrink);
    if constexpr (kRule == Rule::kAdam) {
      const V s1 = average(beta_1, rest_1, hn::LoadU(d, first + i), x);
      const V s2 = average_of_square(beta_2, rest_2, hn::LoadU(d, second + i), x);
      hn::StoreU(s1, d, first + i);
      hn::StoreU(s2, d, second + i);
      // first_correction = 1 / (1 - beta_1^t) and second_correction = 1 / (1 - beta_2^t), given by the caller for step
      // t.
      const V s = hn::Div(rate, hn::Add(hn::Sqrt(hn::Mul(s2, correct_2)), tiny));
      weight = hn::NegMulAdd(s, hn::Mul(s1, correct_1), weight);
      threshold = hn::Mul(s, shrink);
    } else if constexpr (kRule == Rule::kRmsprop) {
      const V s1 = average_of_square(hn::Set(d, 0.9f), hn::Set(d, 0.1f), hn::LoadU(d, first + i), x);
      hn::StoreU(s1, d, first + i);
      const V s = hn::Div(rate, hn::Add(hn::Sqrt(s1), tiny));
      weight = hn::NegMulAdd(s, x, weight);
      threshold = hn::Mul(s, shrink);
    } else {
      static_assert(kRule == Rule::kMomentum);
      // Momentum in MXNet's form: state = momentum * state - rate * g, w += state.
      const V s1 = hn::NegMulAdd(rate, x, hn::Mul(momentum, hn::LoadU(d, first + i)));
      hn::StoreU(s1, d, first + i);
      weight = hn::Add(weight, s1);
    }
    weight = soft_threshold(d, weight, threshold);
    hn::StoreU(weight, d, w + i);
    // Sum of the iterates, for averaged weights.
    if constexpr (kAverage) hn::StoreU(hn::Add(weight, hn::LoadU(d, sum + i)), d, sum + i);
  }
}

template <Rule kRule>
HWY_INLINE void update_all(const LaneStep& step, I rows, I width, float* w, float* first, float* second,
                           float* const* gradients, int gradient_count, float* sum) {
  const I lanes = static_cast<I>(hn::Lanes(D()));
  for (I c = 0; c < width; c += lanes) {
    if (sum) {
      update_column<kRule, true>(step, rows, width, w, first, second, gradients, gradient_count, c, sum);
    } else {
      update_column<kRule, false>(step, rows, width, w, first, second, gradients, gradient_count, c, nullptr);
    }
  }
}

void UpdateLanes(const LaneStep* step, I rows, I width, float* w, float* first, float* second, float* const* gradients,
                 int gradient_count, float* sum) {
  switch (step->rule) {
    case Rule::kAdam:
      return update_all<Rule::kAdam>(*step, rows, width, w, first, second, gradients, gradient_count, sum);
    case Rule::kRmsprop:
      return update_all<Rule::kRmsprop>(*step, rows, width, w, first, second, gradients, gradient_count, sum);
    case Rule::kMomentum:
      return update_all<Rule::kMomentum>(*step, rows, width, w, first, second, gradients, gradient_count, sum);
    case Rule::kSgd:
    case Rule::kNesterov:
    case Rule::kAdagrad:
    case Rule::kAdadelta:
      HWY_ABORT("optim::update_lanes: only momentum, adam and rmsprop");
  }
}

/// Vectors of weights are collected, updated like a block of one row, and put back.
void UpdateScattered(const LaneStep* step, I n, const std::int32_t* index, const float* gradient, float* w,
                     float* first, float* second) {
  using numeric::kPad;
  alignas(64) float weight[kPad], m[kPad], v[kPad], g[kPad];
  for (I i = 0; i < n; i += kPad) {
    const I count = n - i < kPad ? n - i : kPad;
    for (I j = 0; j < kPad; ++j) {
      // The padding repeats the first weight; only the first `count` results are written back.
      const auto at = index[i + (j < count ? j : 0)];
      weight[j] = w[at], m[j] = first[at], v[j] = second[at], g[j] = gradient[i + (j < count ? j : 0)];
    }
    float* part = g;
    UpdateLanes(step, 1, kPad, weight, m, v, &part, 1, nullptr);
    for (I j = 0; j < count; ++j) {
      const auto at = index[i + j];
      w[at] = weight[j], first[at] = m[j], second[at] = v[j];
    }
  }
}

}  // namespace clary::optim::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::optim {
HWY_EXPORT(Update);
HWY_EXPORT(UpdateLanes);
HWY_EXPORT(UpdateScattered);

void update(Rule rule, const Step& step, std::int64_t width, float* w, float* first, float* second, const float* g) {
  HWY_DYNAMIC_DISPATCH(Update)(rule, &step, width, w, first, second, g);
}
void update_without_gradient(Rule rule, const Step& step, std::int64_t width, float* w, float* first, float* second) {
  HWY_DYNAMIC_DISPATCH(Update)(rule, &step, width, w, first, second, nullptr);
}
void update_lanes(const LaneStep& step, std::int64_t rows, std::int64_t width, float* w, float* first, float* second,
                  float* const* gradients, int gradient_count, float* average) {
  HWY_DYNAMIC_DISPATCH(UpdateLanes)(&step, rows, width, w, first, second, gradients, gradient_count, average);
}
void update_scattered(const LaneStep& step, std::int64_t n, const std::int32_t* index, const float* gradient, float* w,
                      float* first, float* second) {
  HWY_DYNAMIC_DISPATCH(UpdateScattered)(&step, n, index, gradient, w, first, second);
}

float corrected_rate(float learning_rate, std::int64_t t, double beta_1, double beta_2) {
  const auto steps = static_cast<double>(t);
  const double correction = std::sqrt(1 - std::pow(beta_2, steps)) / (1 - std::pow(beta_1, steps));
  return static_cast<float>(static_cast<double>(learning_rate) * correction);
}
}  // namespace clary::optim
#endif
