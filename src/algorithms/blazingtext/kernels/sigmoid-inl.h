// SPDX-License-Identifier: Apache-2.0
// 1 / (1 + e^-x) on vectors. Included once per instruction set, inside Highway's foreach_target.
#if defined(CLARY_BLAZINGTEXT_SIGMOID_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef CLARY_BLAZINGTEXT_SIGMOID_INL
#undef CLARY_BLAZINGTEXT_SIGMOID_INL
#else
#define CLARY_BLAZINGTEXT_SIGMOID_INL
#endif

#include <hwy/highway.h>
// After highway.h, as this file itself:
#include "learning/numeric/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {

using numeric::HWY_NAMESPACE::fast_exp;

template <class Tag, class Vec = hwy::HWY_NAMESPACE::Vec<Tag>>
HWY_INLINE Vec sigmoid(Tag d, Vec x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const Vec one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, fast_exp(d, hn::Neg(x))));
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
