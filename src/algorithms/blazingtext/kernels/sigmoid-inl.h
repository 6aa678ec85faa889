// SPDX-License-Identifier: Apache-2.0
// e^x and 1 / (1 + e^-x) on vectors. Included once per instruction set, inside Highway's foreach_target.
#if defined(CLARY_BLAZINGTEXT_SIGMOID_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef CLARY_BLAZINGTEXT_SIGMOID_INL
#undef CLARY_BLAZINGTEXT_SIGMOID_INL
#else
#define CLARY_BLAZINGTEXT_SIGMOID_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {

/// Relative error below 3e-6 on [-87, 88], clamped outside. x log2(e) = n + f with |f| <= 1/2; the Taylor polynomial of
/// degree 5 for 2^f, n put into the exponent.
template <class Tag, class Vec = hwy::HWY_NAMESPACE::Vec<Tag>>
HWY_INLINE Vec fast_exp(Tag d, Vec x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<Tag> di;
  x = hn::Min(hn::Max(x, hn::Set(d, -87.0f)), hn::Set(d, 88.0f));
  const Vec y = hn::Mul(x, hn::Set(d, 1.44269504f));
  const Vec n = hn::Round(y);
  const Vec r = hn::Mul(hn::Sub(y, n), hn::Set(d, 0.693147181f));
  Vec p = hn::Set(d, 1.0f / 120);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::Mul(p, hn::BitCast(d, exponent));
}

template <class Tag, class Vec = hwy::HWY_NAMESPACE::Vec<Tag>>
HWY_INLINE Vec sigmoid(Tag d, Vec x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const Vec one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, fast_exp(d, hn::Neg(x))));
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
