// SPDX-License-Identifier: Apache-2.0
// Element-wise passes: exponentials of the softmax, activations, Gaussian noise.
#include "algorithms/ntm/kernels/kernels.h"

// Highway compiles this file once for each instruction set and chooses at run time. Widths are multiples of the
// padding, so that no loop has a tail.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/ntm/kernels/vector_math.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include <hwy/contrib/math/math-inl.h>

#include "learning/numeric/exp-inl.h"
#include "learning/numeric/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::ntm::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;
using numeric::HWY_NAMESPACE::fast_exp;

float Maximum(const float* x, I width) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V m = hn::LoadU(d, x);
  for (I i = lanes; i < width; i += lanes) m = hn::Max(m, hn::LoadU(d, x + i));
  return hn::GetLane(hn::MaxOfLanes(d, m));
}

float ExpSum(float* x, I width, float shift) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V s = hn::Set(d, shift);
  V sum = hn::Zero(d);
  for (I i = 0; i < width; i += lanes) {
    const V e = fast_exp(d, hn::Sub(hn::LoadU(d, x + i), s));
    sum = hn::Add(sum, e);
    hn::StoreU(e, d, x + i);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void Scale(float* x, I width, float factor) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V f = hn::Set(d, factor);
  for (I i = 0; i < width; i += lanes) hn::StoreU(hn::Mul(f, hn::LoadU(d, x + i)), d, x + i);
}

HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, fast_exp(d, hn::Neg(x))));
}

void Activate(Activation kind, float* x, I width) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V one = hn::Set(d, 1.0f), two = hn::Set(d, 2.0f);
  for (I i = 0; i < width; i += lanes) {
    const V a = hn::LoadU(d, x + i);
    V y = hn::Max(a, hn::Zero(d));
    if (kind == Activation::kSigmoid) y = sigmoid(d, a);
    // tanh(a) = 2 sigmoid(2 a) - 1.
    if (kind == Activation::kTanh) y = hn::Sub(hn::Mul(two, sigmoid(d, hn::Mul(two, a))), one);
    hn::StoreU(y, d, x + i);
  }
}

void ActivateBackward(Activation kind, const float* output, float* delta, I width) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V one = hn::Set(d, 1.0f);
  for (I i = 0; i < width; i += lanes) {
    const V y = hn::LoadU(d, output + i), g = hn::LoadU(d, delta + i);
    // Slopes in terms of the output y: sigmoid y (1 - y), tanh 1 - y^2, relu 1 where y > 0.
    V slope = hn::Mul(y, hn::Sub(one, y));
    if (kind == Activation::kTanh) slope = hn::NegMulAdd(y, y, one);
    if (kind == Activation::kRelu) slope = hn::IfThenElseZero(hn::Gt(y, hn::Zero(d)), one);
    hn::StoreU(hn::Mul(g, slope), d, delta + i);
  }
}

using DU = hn::ScalableTag<std::uint32_t>;
using VU = hn::Vec<DU>;

/// Uniform in (0, 1): the top 23 bits plus a half.
HWY_INLINE V open_uniform(D d, VU bits) {
  const hn::RebindToSigned<D> di;
  const V n = hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<9>(bits)));
  return hn::Mul(hn::Add(n, hn::Set(d, 0.5f)), hn::Set(d, 1.0f / 8388608));
}

/// Two normals from two words by Box and Muller.
HWY_INLINE void box_muller(D d, VU a, VU b, V& x, V& y) {
  const V radius = hn::Sqrt(hn::Mul(hn::Set(d, -2.0f), hn::Log(d, open_uniform(d, a))));
  // The angle is centred on zero so that Sin and Cos stay in their most accurate range.
  const V angle = hn::Mul(hn::Sub(open_uniform(d, b), hn::Set(d, 0.5f)), hn::Set(d, 6.28318531f));
  x = hn::Mul(radius, hn::Cos(d, angle));
  y = hn::Mul(radius, hn::Sin(d, angle));
}

// Each counter (first[i], second[i], third, fourth) gives four normals: the numbers depend on the counter only, not on
// vector width or thread.
void FillNormal(I count, const std::uint32_t* first, const std::uint32_t* second, std::uint32_t third,
                std::uint32_t fourth, std::uint64_t key, float* out) {
  const D d;
  const DU du;
  // The last step works on copies, so that nothing beyond `count` is read or written.
  const I lanes = static_cast<I>(hn::Lanes(d));
  HWY_ALIGN std::uint32_t tail_first[HWY_MAX_BYTES / 4] = {}, tail_second[HWY_MAX_BYTES / 4] = {};
  HWY_ALIGN float tail_out[HWY_MAX_BYTES] = {};
  for (I i = 0; i < count; i += lanes) {
    const bool tail = i + lanes > count;
    if (tail) {
      for (I j = i; j < count; ++j) tail_first[j - i] = first[j], tail_second[j - i] = second[j];
    }
    VU c0 = hn::LoadU(du, tail ? tail_first : first + i), c1 = hn::LoadU(du, tail ? tail_second : second + i);
    VU c2 = hn::Set(du, third), c3 = hn::Set(du, fourth);
    numeric::HWY_NAMESPACE::philox(du, c0, c1, c2, c3, key);
    V x0, x1, x2, x3;
    box_muller(d, c0, c1, x0, x1);
    box_muller(d, c2, c3, x2, x3);
    hn::StoreInterleaved4(x0, x1, x2, x3, d, tail ? tail_out : out + 4 * i);
    if (tail) {
      for (I j = 0; j < 4 * (count - i); ++j) out[4 * i + j] = tail_out[j];
    }
  }
}

}  // namespace clary::ntm::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::ntm::kernels {
HWY_EXPORT(Maximum);
HWY_EXPORT(ExpSum);
HWY_EXPORT(Scale);
HWY_EXPORT(Activate);
HWY_EXPORT(ActivateBackward);
HWY_EXPORT(FillNormal);

float maximum(const float* x, std::int64_t width) { return HWY_DYNAMIC_DISPATCH(Maximum)(x, width); }
float exp_sum(float* x, std::int64_t width, float shift) { return HWY_DYNAMIC_DISPATCH(ExpSum)(x, width, shift); }
void scale(float* x, std::int64_t width, float factor) { HWY_DYNAMIC_DISPATCH(Scale)(x, width, factor); }
void activate(Activation kind, float* x, std::int64_t width) { HWY_DYNAMIC_DISPATCH(Activate)(kind, x, width); }
void activate_backward(Activation kind, const float* output, float* delta, std::int64_t width) {
  HWY_DYNAMIC_DISPATCH(ActivateBackward)(kind, output, delta, width);
}
void fill_normal(std::int64_t count, const std::uint32_t* first, const std::uint32_t* second, std::uint32_t third,
                 std::uint32_t fourth, std::uint64_t key, float* out) {
  HWY_DYNAMIC_DISPATCH(FillNormal)(count, first, second, third, fourth, key, out);
}
}  // namespace clary::ntm::kernels
#endif
