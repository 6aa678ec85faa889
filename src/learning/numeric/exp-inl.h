// SPDX-License-Identifier: Apache-2.0
// e^x on vectors. Included once per instruction set, inside Highway's foreach_target.
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

}  // namespace clary::numeric::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
