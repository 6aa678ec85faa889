// SPDX-License-Identifier: Apache-2.0
// Losses and slopes of many scores at once. The scalar formulas of loss.cpp are the reference that the tests compare
// these with.
#include <cmath>

#include "algorithms/linear_learner/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/linear_learner/kernels/loss_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "learning/numeric/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::linear_learner::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;
using numeric::HWY_NAMESPACE::fast_exp;

/// Rows whose losses are added up in float32 before they go to the double sums.
constexpr I kRun = 64;

/// ln(1 + t) for t in [0, 1], absolute error below 4e-8: with s = t / (2 + t) it is 2 atanh(s), s <= 1/3.
HWY_INLINE V log_1_plus(D d, V t) {
  const V s = hn::Div(t, hn::Add(hn::Set(d, 2.0f), t));
  const V z = hn::Mul(s, s);
  V p = hn::Set(d, 2.0f / 13);
  p = hn::MulAdd(p, z, hn::Set(d, 2.0f / 11));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0f / 9));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0f / 7));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0f / 5));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0f / 3));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0f));
  return hn::Mul(p, s);
}

struct Pair {
  V loss, slope;
};

/// max(v, 0) and its slope, the kink rounded over [0, s]: v^2 / 2 s there, v - s / 2 above.
HWY_INLINE Pair rounded_ramp(D d, V v, V s) {
  const V zero = hn::Zero(d), part = hn::Min(hn::Max(hn::Div(v, s), zero), hn::Set(d, 1.0f));
  return {hn::Mul(part, hn::NegMulAdd(hn::Mul(hn::Set(d, 0.5f), part), s, hn::Max(v, zero))), part};
}

/// The losses with kinks, rounded over `smoothing`: sums of ramps.
template <Loss kLoss>
HWY_INLINE Pair rounded_loss_of(D d, V f, V y, V positive, V knob, V smoothing) {
  const V one = hn::Set(d, 1.0f), half = hn::Set(d, 0.5f);
  // Margin m: label 1 needs f >= (m + 1) / 2, label 0 needs f <= (1 - m) / 2.
  if constexpr (kLoss == Loss::kHinge) {
    const auto is_positive = hn::Gt(y, half);
    const V needed = hn::Sub(hn::Mul(half, hn::Add(knob, one)), f),
            excess = hn::Add(hn::Mul(half, hn::Sub(knob, one)), f);
    const Pair ramp = rounded_ramp(d, hn::IfThenElse(is_positive, needed, excess), smoothing);
    const V weight = hn::IfThenElse(is_positive, positive, one);
    return {hn::Mul(weight, ramp.loss), hn::Mul(hn::IfThenElse(is_positive, hn::Neg(weight), weight), ramp.slope)};
  } else {
    const V e = hn::Sub(f, y);
    const V edge = kLoss == Loss::kEpsInsensitiveAbsolute ? knob : hn::Zero(d);
    const Pair above = rounded_ramp(d, hn::Sub(e, edge), smoothing);
    const Pair below = rounded_ramp(d, hn::Sub(hn::Neg(e), edge), smoothing);
    const V up = kLoss == Loss::kQuantile ? hn::Sub(one, knob) : one, down = kLoss == Loss::kQuantile ? knob : one;
    return {hn::MulAdd(up, above.loss, hn::Mul(down, below.loss)),
            hn::Sub(hn::Mul(up, above.slope), hn::Mul(down, below.slope))};
  }
}

constexpr bool has_kink(Loss loss) {
  return loss == Loss::kHinge || loss == Loss::kAbsolute || loss == Loss::kEpsInsensitiveAbsolute ||
         loss == Loss::kQuantile;
}

/// One vector of scores f with labels y. `positive` multiplies rows of label 1 (two-class losses).
template <Loss kLoss>
HWY_INLINE Pair loss_of(D d, V f, V y, V positive, V knob) {
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f), half = hn::Set(d, 0.5f);
  if constexpr (kLoss == Loss::kLogistic) {
    // softplus(f) - y f, and p - y, from t = e^-|f|, which never overflows and is at most 1, as log_1_plus() needs.
    const V t = fast_exp(d, hn::Neg(hn::Abs(f)));
    const V top = hn::IfThenElse(hn::Lt(f, zero), t, one);
    const V p = hn::Div(top, hn::Add(one, t));
    const V soft = hn::Add(hn::Max(f, zero), log_1_plus(d, t));
    const V weight = hn::IfThenElse(hn::Gt(y, half), positive, one);
    return {hn::Mul(weight, hn::NegMulAdd(y, f, soft)), hn::Mul(weight, hn::Sub(p, y))};
  } else if constexpr (kLoss == Loss::kHinge) {
    const auto is_positive = hn::Gt(y, half);
    const V needed = hn::Sub(hn::Mul(half, hn::Add(knob, one)), f);  // label 1: (m + 1) / 2 - f
    const V excess = hn::Add(hn::Mul(half, hn::Sub(knob, one)), f);  // label 0: (m - 1) / 2 + f
    const V violation = hn::IfThenElse(is_positive, needed, excess);
    const V direction = hn::IfThenElse(is_positive, hn::Neg(positive), one);
    const V weight = hn::IfThenElse(is_positive, positive, one);
    return {hn::Mul(weight, hn::Max(violation, zero)), hn::IfThenElseZero(hn::Gt(violation, zero), direction)};
  } else {
    const V e = hn::Sub(f, y), size = hn::Abs(e);
    const V sign = hn::IfThenElse(hn::Gt(e, zero), one, hn::IfThenElseZero(hn::Lt(e, zero), hn::Neg(one)));
    if constexpr (kLoss == Loss::kAbsolute) {
      return {size, sign};
    } else if constexpr (kLoss == Loss::kEpsInsensitiveSquared) {
      const V loss = hn::NegMulAdd(knob, knob, hn::Mul(e, e));
      return {hn::Max(loss, zero), hn::IfThenElseZero(hn::Gt(loss, zero), hn::Add(e, e))};
    } else if constexpr (kLoss == Loss::kEpsInsensitiveAbsolute) {
      const V loss = hn::Sub(size, knob);
      return {hn::Max(loss, zero), hn::IfThenElseZero(hn::Gt(loss, zero), sign)};
    } else if constexpr (kLoss == Loss::kQuantile) {
      // q (y - f) below the label, (1 - q) (f - y) above it.
      const V slope =
          hn::IfThenElse(hn::Gt(e, zero), hn::Sub(one, knob), hn::IfThenElseZero(hn::Lt(e, zero), hn::Neg(knob)));
      return {hn::Mul(slope, e), slope};
    } else if constexpr (kLoss == Loss::kHuber) {
      const auto inside = hn::Lt(size, knob);
      const V outside = hn::Mul(knob, hn::NegMulAdd(half, knob, size));
      return {hn::IfThenElse(inside, hn::Mul(half, hn::Mul(e, e)), outside),
              hn::IfThenElse(inside, e, hn::Mul(knob, sign))};
    } else {
      return {hn::Mul(e, e), hn::Add(e, e)};
    }
  }
}

HWY_INLINE void add_lanes(D d, V v, double* to) {
  HWY_ALIGN float lanes[hn::MaxLanes(D())];
  hn::Store(v, d, lanes);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) to[i] += static_cast<double>(lanes[i]);
}

template <Loss kLoss>
void scalar_loss_of(float knob, I n, I width, float* f, const float* labels, const float* bias, const float* positive,
                    double* loss_sum, double* slope_sum) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V k = hn::Set(d, knob);
  for (I c = 0; c < width; c += lanes) {
    const V b = hn::LoadU(d, bias + c), w = hn::LoadU(d, positive + c);
    // Runs of kRun rows are summed in float32 vectors, then added to the double sums: fast, and the error stays that
    // of 64 additions.
    for (I start = 0; start < n; start += kRun) {
      V losses = hn::Zero(d), slopes = hn::Zero(d);
      const I end = start + kRun < n ? start + kRun : n;
      for (I i = start; i < end; ++i) {
        float* at = f + i * width + c;
        const Pair p = loss_of<kLoss>(d, hn::Add(hn::LoadU(d, at), b), hn::Set(d, labels[i]), w, k);
        losses = hn::Add(losses, p.loss);
        slopes = hn::Add(slopes, p.slope);
        // The score is replaced by the slope: the gradient product reads it from there.
        hn::StoreU(p.slope, d, at);
      }
      add_lanes(d, losses, loss_sum + c);
      add_lanes(d, slopes, slope_sum + c);
    }
  }
}

/// Losses with a kink when they are to be rounded: the solver's, so there is one lane.
template <Loss kLoss>
void rounded_loss_of_rows(const LossRule& rule, I n, float* f, const float* labels, float bias, float positive,
                          double* loss_sum, double* slope_sum) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  HWY_ALIGN float scores[hn::MaxLanes(D())] = {}, y[hn::MaxLanes(D())] = {}, losses[hn::MaxLanes(D())];
  for (I i = 0; i < n; i += lanes) {
    const I count = n - i < lanes ? n - i : lanes;
    for (I j = 0; j < count; ++j) scores[j] = f[i + j] + bias, y[j] = labels[i + j];
    const Pair p = rounded_loss_of<kLoss>(d, hn::Load(d, scores), hn::Load(d, y), hn::Set(d, positive),
                                          hn::Set(d, rule.knob), hn::Set(d, rule.smoothing));
    hn::Store(p.slope, d, scores);
    hn::Store(p.loss, d, losses);
    for (I j = 0; j < count; ++j) {
      f[i + j] = scores[j];
      *loss_sum += static_cast<double>(losses[j]);
      *slope_sum += static_cast<double>(scores[j]);
    }
  }
}

template <Loss kLoss>
void single_loss_of(float knob, I n, float* f, const float* labels, float bias, float positive, double* loss_sum,
                    double* slope_sum) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V k = hn::Set(d, knob), b = hn::Set(d, bias), w = hn::Set(d, positive);
  const I run = kRun * lanes;
  for (I start = 0; start < n; start += run) {
    V losses = hn::Zero(d), slopes = hn::Zero(d);
    const I end = start + run < n ? start + run : n;
    I i = start;
    for (; i + lanes <= end; i += lanes) {
      const Pair p = loss_of<kLoss>(d, hn::Add(hn::LoadU(d, f + i), b), hn::LoadU(d, labels + i), w, k);
      losses = hn::Add(losses, p.loss);
      slopes = hn::Add(slopes, p.slope);
      hn::StoreU(p.slope, d, f + i);
    }
    if (i < end) {  // the last few, one vector wide with zeros behind
      HWY_ALIGN float scores[hn::MaxLanes(D())] = {}, y[hn::MaxLanes(D())] = {};
      const I rest = end - i;
      for (I j = 0; j < rest; ++j) scores[j] = f[i + j], y[j] = labels[i + j];
      const Pair p = loss_of<kLoss>(d, hn::Add(hn::Load(d, scores), b), hn::Load(d, y), w, k);
      const auto real = hn::FirstN(d, static_cast<std::size_t>(rest));
      losses = hn::Add(losses, hn::IfThenElseZero(real, p.loss));
      slopes = hn::Add(slopes, hn::IfThenElseZero(real, p.slope));
      hn::Store(p.slope, d, scores);
      for (I j = 0; j < rest; ++j) f[i + j] = scores[j];
    }
    *loss_sum += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, losses)));
    *slope_sum += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, slopes)));
  }
}

/// Calls f.operator()<loss>() for the rule's loss.
template <class F>
HWY_INLINE void with_loss(Loss loss, F&& f) {
  switch (loss) {
    case Loss::kLogistic:
      return f.template operator()<Loss::kLogistic>();
    case Loss::kHinge:
      return f.template operator()<Loss::kHinge>();
    case Loss::kAbsolute:
      return f.template operator()<Loss::kAbsolute>();
    case Loss::kEpsInsensitiveSquared:
      return f.template operator()<Loss::kEpsInsensitiveSquared>();
    case Loss::kEpsInsensitiveAbsolute:
      return f.template operator()<Loss::kEpsInsensitiveAbsolute>();
    case Loss::kQuantile:
      return f.template operator()<Loss::kQuantile>();
    case Loss::kHuber:
      return f.template operator()<Loss::kHuber>();
    case Loss::kSquared:
    case Loss::kSoftmax:
      return f.template operator()<Loss::kSquared>();
  }
}

void ScalarLoss(const LossRule* rule, I n, I width, float* f, const float* labels, const float* bias,
                const float* positive, double* loss_sum, double* slope_sum) {
  with_loss(rule->loss, [&]<Loss kLoss>() {
    scalar_loss_of<kLoss>(rule->knob, n, width, f, labels, bias, positive, loss_sum, slope_sum);
  });
}

void SingleLoss(const LossRule* rule, I n, float* f, const float* labels, float bias, float positive, double* loss_sum,
                double* slope_sum) {
  with_loss(rule->loss, [&]<Loss kLoss>() {
    if constexpr (has_kink(kLoss)) {
      if (rule->smoothing > 0) {
        return rounded_loss_of_rows<kLoss>(*rule, n, f, labels, bias, positive, loss_sum, slope_sum);
      }
    }
    single_loss_of<kLoss>(rule->knob, n, f, labels, bias, positive, loss_sum, slope_sum);
  });
}

/// ln x for x >= 1 (a sum of exponentials whose largest term is 1): exponent and 2 atanh of the mantissa.
HWY_INLINE V log_of_sum(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, x);
  const auto exponent = hn::Sub(hn::ShiftRight<23>(bits), hn::Set(di, 127));
  // The mantissa with exponent 0.
  const V mantissa = hn::BitCast(d, hn::Or(hn::And(bits, hn::Set(di, 0x007FFFFF)), hn::Set(di, 0x3F800000)));  // [1, 2)
  const V t = hn::Sub(mantissa, hn::Set(d, 1.0f));
  return hn::MulAdd(hn::ConvertTo(d, exponent), hn::Set(d, 0.693147181f), log_1_plus(d, t));
}

// Models across lanes: lane m of a vector is candidate m, so that the maximum and the sum need no horizontal steps.
void SoftmaxAcross(I n, I models, I classes, float* f, const float* labels, const float* bias,
                   const float* class_weight, double* loss_sum, double* slope_sum) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  for (I i = 0; i < n; ++i) {
    float* row = f + i * models * classes;
    const I label = static_cast<I>(labels[i]);
    const V weight = hn::Set(d, class_weight ? class_weight[label] : 1.0f);
    for (I m = 0; m < models; m += lanes) {
      V most = hn::Add(hn::LoadU(d, row + m), hn::LoadU(d, bias + m));
      hn::StoreU(most, d, row + m);
      for (I k = 1; k < classes; ++k) {
        const V x = hn::Add(hn::LoadU(d, row + k * models + m), hn::LoadU(d, bias + k * models + m));
        hn::StoreU(x, d, row + k * models + m);
        // Maximum over the classes first: exp(x - max) cannot overflow and sum is at least 1.
        most = hn::Max(most, x);
      }
      const V truth = hn::LoadU(d, row + label * models + m);
      V sum = hn::Zero(d);
      for (I k = 0; k < classes; ++k) {
        const V e = fast_exp(d, hn::Sub(hn::LoadU(d, row + k * models + m), most));
        hn::StoreU(e, d, row + k * models + m);
        sum = hn::Add(sum, e);
      }
      const V loss = hn::Mul(weight, hn::Add(log_of_sum(d, sum), hn::Sub(most, truth)));
      add_lanes(d, loss, loss_sum + m);
      const V scale = hn::Div(weight, sum);
      for (I k = 0; k < classes; ++k) {
        // d loss / d f_k = weight (softmax_k - [k = label]).
        V g = hn::Mul(hn::LoadU(d, row + k * models + m), scale);
        if (k == label) g = hn::Sub(g, weight);
        hn::StoreU(g, d, row + k * models + m);
      }
    }
  }
  // Slopes are summed after all rows: column by column, as they lie in memory.
  const I width = models * classes;
  for (I c = 0; c < width; c += lanes) {
    for (I start = 0; start < n; start += kRun) {
      V sum = hn::Zero(d);
      for (I i = start; i < start + kRun && i < n; ++i) sum = hn::Add(sum, hn::LoadU(d, f + i * width + c));
      add_lanes(d, sum, slope_sum + c);
    }
  }
}

/// One candidate's classes of one row, contiguous. @return the loss
HWY_INLINE float softmax_row(D d, I classes, I stride, float* row, const float* bias, I label, float weight) {
  const I lanes = static_cast<I>(hn::Lanes(d));
  // Padding takes part as a number that never is the maximum and whose exponential is dropped.
  const V lowest = hn::Set(d, -3.0e38f);
  const auto real = [&](I k) { return hn::FirstN(d, static_cast<std::size_t>(classes > k ? classes - k : 0)); };
  V most = lowest;
  for (I k = 0; k < stride; k += lanes) {
    const V x = hn::IfThenElse(real(k), hn::Add(hn::LoadU(d, row + k), hn::LoadU(d, bias + k)), lowest);
    hn::StoreU(x, d, row + k);
    most = hn::Max(most, x);
  }
  const float maximum = hn::GetLane(hn::MaxOfLanes(d, most));
  const float truth = row[label];
  V sums = hn::Zero(d);
  for (I k = 0; k < stride; k += lanes) {
    const V e = hn::IfThenElseZero(real(k), fast_exp(d, hn::Sub(hn::LoadU(d, row + k), hn::Set(d, maximum))));
    hn::StoreU(e, d, row + k);
    sums = hn::Add(sums, e);
  }
  const float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  const V scale = hn::Set(d, weight / sum);
  for (I k = 0; k < stride; k += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, row + k), scale), d, row + k);
  row[label] -= weight;
  return weight * (std::log(sum) + maximum - truth);
}

void SoftmaxAlong(I n, I models, I classes, float* f, const float* labels, const float* bias, const float* class_weight,
                  double* loss_sum, double* slope_sum) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const I stride = padded(classes), width = stride * models;
  for (I i = 0; i < n; ++i) {
    const I label = static_cast<I>(labels[i]);
    const float weight = class_weight ? class_weight[label] : 1.0f;
    for (I m = 0; m < models; ++m) {
      loss_sum[m] += static_cast<double>(
          softmax_row(d, classes, stride, f + i * width + m * stride, bias + m * stride, label, weight));
    }
  }
  for (I c = 0; c < width; c += lanes) {
    for (I start = 0; start < n; start += kRun) {
      V sum = hn::Zero(d);
      for (I i = start; i < start + kRun && i < n; ++i) sum = hn::Add(sum, hn::LoadU(d, f + i * width + c));
      add_lanes(d, sum, slope_sum + c);
    }
  }
}

HWY_INLINE V finished(D d, V f, bool as_probability) {
  if (!as_probability) return f;
  const V t = fast_exp(d, hn::Neg(hn::Abs(f))), one = hn::Set(d, 1.0f);
  return hn::Div(hn::IfThenElse(hn::Lt(f, hn::Zero(d)), t, one), hn::Add(one, t));
}

void ScoreColumns(I n, I width, const float* f, const float* bias, I models, bool as_probability, float* to, I stride) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  HWY_ALIGN float scores[hn::MaxLanes(D())];
  if (width == 1) {  // one lane: a vector of rows
    for (I i = 0; i < n; i += lanes) {
      const I count = n - i < lanes ? n - i : lanes;
      for (I j = 0; j < lanes; ++j) scores[j] = f[i + (j < count ? j : 0)];
      hn::Store(finished(d, hn::Add(hn::Load(d, scores), hn::Set(d, bias[0])), as_probability), d, scores);
      for (I j = 0; j < count; ++j) to[i + j] = scores[j];
    }
    return;
  }
  for (I c = 0; c < models; c += lanes) {
    const V b = hn::LoadU(d, bias + c);
    const I count = models - c < lanes ? models - c : lanes;
    for (I i = 0; i < n; ++i) {
      hn::Store(finished(d, hn::Add(hn::LoadU(d, f + i * width + c), b), as_probability), d, scores);
      for (I j = 0; j < count; ++j) to[(c + j) * stride + i] = scores[j];
    }
  }
}

}  // namespace clary::linear_learner::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::linear_learner::kernels {
HWY_EXPORT(ScalarLoss);
HWY_EXPORT(SingleLoss);
HWY_EXPORT(SoftmaxAcross);
HWY_EXPORT(SoftmaxAlong);
HWY_EXPORT(ScoreColumns);

void scalar_loss(const LossRule& rule, std::int64_t n, std::int64_t width, float* f, const float* labels,
                 const float* bias, const float* positive, double* loss_sum, double* slope_sum) {
  HWY_DYNAMIC_DISPATCH(ScalarLoss)(&rule, n, width, f, labels, bias, positive, loss_sum, slope_sum);
}
void single_loss(const LossRule& rule, std::int64_t n, float* f, const float* labels, float bias, float positive,
                 double* loss_sum, double* slope_sum) {
  HWY_DYNAMIC_DISPATCH(SingleLoss)(&rule, n, f, labels, bias, positive, loss_sum, slope_sum);
}
void softmax_across(std::int64_t n, std::int64_t models, std::int64_t classes, float* f, const float* labels,
                    const float* bias, const float* class_weight, double* loss_sum, double* slope_sum) {
  HWY_DYNAMIC_DISPATCH(SoftmaxAcross)(n, models, classes, f, labels, bias, class_weight, loss_sum, slope_sum);
}
void softmax_along(std::int64_t n, std::int64_t models, std::int64_t classes, float* f, const float* labels,
                   const float* bias, const float* class_weight, double* loss_sum, double* slope_sum) {
  HWY_DYNAMIC_DISPATCH(SoftmaxAlong)(n, models, classes, f, labels, bias, class_weight, loss_sum, slope_sum);
}
void score_columns(std::int64_t n, std::int64_t width, const float* f, const float* bias, std::int64_t models,
                   bool as_probability, float* to, std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(ScoreColumns)(n, width, f, bias, models, as_probability, to, stride);
}
}  // namespace clary::linear_learner::kernels
#endif
