// SPDX-License-Identifier: Apache-2.0
// e^x and what follows from it, on vectors. Included once per instruction set, inside Highway's foreach_target.
#if defined(CLARY_NUMERIC_EXP_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef CLARY_NUMERIC_EXP_INL
#undef CLARY_NUMERIC_EXP_INL
#else
#define CLARY_NUMERIC_EXP_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::numeric::HWY_NAMESPACE {

/// e^x to about 2 ulp on [-87, 88]; clamped outside. Cody-Waite reduction by ln 2, then the Taylor polynomial of degree
/// 6 on |r| <= ln(2)/2 (its remainder is 1.2e-7 relative).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V fast_exp(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  x = hn::Min(hn::Max(x, hn::Set(d, -87.0f)), hn::Set(d, 88.0f));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  V p = hn::Set(d, 1.0f / 720);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::Mul(p, hn::BitCast(d, exponent));
}

/// 1 / (1 + e^-x)
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V fast_sigmoid(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, fast_exp(d, hn::Neg(x))));
}

/// tanh(x) to about 3 ulp, small x included: x + x^3 p(x^2) below 0.625, else 1 - 2 / (e^2x + 1).
/// Polynomial: Cephes 2.8, tanhf.c.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V fast_tanh(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V z = hn::Mul(x, x), one = hn::Set(d, 1.0f), two = hn::Set(d, 2.0f);
  V p = hn::Set(d, -5.70498872745e-3f);
  p = hn::MulAdd(p, z, hn::Set(d, 2.06390887954e-2f));
  p = hn::MulAdd(p, z, hn::Set(d, -5.37397155531e-2f));
  p = hn::MulAdd(p, z, hn::Set(d, 1.33314422036e-1f));
  p = hn::MulAdd(p, z, hn::Set(d, -3.33332819422e-1f));
  const V small = hn::MulAdd(hn::Mul(p, z), x, x);
  const V large = hn::Sub(one, hn::Div(two, hn::Add(fast_exp(d, hn::Add(x, x)), one)));
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 0.625f)), small, large);
}

}  // namespace clary::numeric::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
