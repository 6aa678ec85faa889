// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/kernels/activation.h"

// Highway compiles this file once for each instruction set and chooses at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/seq2seq/kernels/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include <hwy/contrib/math/math-inl.h>

#include "learning/numeric/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::seq2seq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using I = std::int64_t;
using numeric::HWY_NAMESPACE::fast_exp;

template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, fast_exp(d, hn::Neg(x))));
}

/// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which does not overflow.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V soft_relu(D d, V x) {
  return hn::Add(hn::Max(x, hn::Zero(d)), hn::Log1p(d, fast_exp(d, hn::Neg(hn::Abs(x)))));
}

/// Calls step(d, i) for every position i: whole registers first, then one number at a time.
template <class F>
HWY_INLINE void for_each(I n, const F& step) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const I lanes = static_cast<I>(hn::Lanes(d));
  I i = 0;
  for (; i + lanes <= n; i += lanes) step(d, i);
  for (; i < n; ++i) step(single, i);
}

void GluRow(I units, const float* bias, float* sums, float* z) {
  for_each(units, [&](auto d, I i) HWY_ATTR {
    const auto a = hn::Add(hn::LoadU(d, sums + i), hn::LoadU(d, bias + i));
    const auto gate = sigmoid(d, hn::Add(hn::LoadU(d, sums + units + i), hn::LoadU(d, bias + units + i)));
    hn::StoreU(a, d, sums + i);
    hn::StoreU(gate, d, sums + units + i);
    hn::StoreU(hn::Mul(a, gate), d, z + i);
  });
}

template <ConvActivation kKind>
void ActivateRow(I units, const float* bias, float* sums, float* z) {
  for_each(units, [&](auto d, I i) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f);
    const auto x = hn::Add(hn::LoadU(d, sums + i), hn::LoadU(d, bias + i));
    auto y = x, slope = one;
    if constexpr (kKind == ConvActivation::kRelu) {
      y = hn::Max(x, hn::Zero(d));
      slope = hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), one);
    } else if constexpr (kKind == ConvActivation::kSoftRelu) {
      y = soft_relu(d, x);
      slope = sigmoid(d, x);
    } else if constexpr (kKind == ConvActivation::kSigmoid) {
      y = sigmoid(d, x);
      slope = hn::Mul(y, hn::Sub(one, y));
    } else {
      y = hn::Tanh(d, x);
      slope = hn::NegMulAdd(y, y, one);
    }
    hn::StoreU(slope, d, sums + i);
    hn::StoreU(y, d, z + i);
  });
}

void Activate(ConvActivation kind, I rows, I units, const float* bias, float* sums, float* z) {
  using K = ConvActivation;
  const auto each_row = [&](auto row, I maps) {
    for (I r = 0; r < rows; ++r) row(units, bias, sums + r * maps, z + r * units);
  };
  if (kind == K::kGlu) each_row(GluRow, 2 * units);
  if (kind == K::kRelu) each_row(ActivateRow<K::kRelu>, units);
  if (kind == K::kSoftRelu) each_row(ActivateRow<K::kSoftRelu>, units);
  if (kind == K::kSigmoid) each_row(ActivateRow<K::kSigmoid>, units);
  if (kind == K::kTanh) each_row(ActivateRow<K::kTanh>, units);
}

void ActivateBackward(ConvActivation kind, I rows, I units, const float* dz, float* kept) {
  if (kind != ConvActivation::kGlu)
    return for_each(rows * units, [&](auto d, I i) HWY_ATTR {
      hn::StoreU(hn::Mul(hn::LoadU(d, dz + i), hn::LoadU(d, kept + i)), d, kept + i);
    });
  for (I r = 0; r < rows; ++r) {
    const float* delta = dz + r * units;
    float *first = kept + r * 2 * units, *second = first + units;
    for_each(units, [&](auto d, I i) HWY_ATTR {
      const auto g = hn::LoadU(d, delta + i), a = hn::LoadU(d, first + i), gate = hn::LoadU(d, second + i);
      const auto passed = hn::Mul(g, gate);
      hn::StoreU(passed, d, first + i);
      hn::StoreU(hn::Mul(hn::Mul(passed, a), hn::Sub(hn::Set(d, 1.0f), gate)), d, second + i);
    });
  }
}

}  // namespace clary::seq2seq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::seq2seq::kernels {
HWY_EXPORT(Activate);
HWY_EXPORT(ActivateBackward);

void activate(ConvActivation kind, std::int64_t rows, std::int64_t units, const float* bias, float* sums, float* z) {
  HWY_DYNAMIC_DISPATCH(Activate)(kind, rows, units, bias, sums, z);
}
void activate_backward(ConvActivation kind, std::int64_t rows, std::int64_t units, const float* dz, float* kept) {
  HWY_DYNAMIC_DISPATCH(ActivateBackward)(kind, rows, units, dz, kept);
}
}  // namespace clary::seq2seq::kernels
#endif
