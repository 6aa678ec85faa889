// SPDX-License-Identifier: Apache-2.0
// philox.h on vectors: one counter a lane. Included once per instruction set, inside Highway's foreach_target.
#if defined(CLARY_NUMERIC_PHILOX_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef CLARY_NUMERIC_PHILOX_INL
#undef CLARY_NUMERIC_PHILOX_INL
#else
#define CLARY_NUMERIC_PHILOX_INL
#endif

#include <hwy/highway.h>

#include "learning/numeric/philox.h"

HWY_BEFORE_NAMESPACE();
namespace clary::numeric::HWY_NAMESPACE {

/// Replaces the counters (c0 the lowest word) by their random words.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE void philox(D d, V& c0, V& c1, V& c2, V& c3, std::uint64_t key) {
  namespace hn = hwy::HWY_NAMESPACE;
  using C = PhiloxConstants;
  const hn::Repartition<std::uint64_t, D> d64;
  // High and low halves of a * multiplier for every 32-bit lane.
  const auto multiply = [&](V a, V multiplier, V& high, V& low) {
    const auto even = hn::MulEven(a, multiplier);
    const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, a))), multiplier);
    high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
    low = hn::Mul(a, multiplier);
  };
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  const V m0 = hn::Set(d, C::kMultiplier0), m1 = hn::Set(d, C::kMultiplier1);
  for (int round = 0; round < C::kRounds; ++round) {
    V high0, low0, high1, low1;
    multiply(c0, m0, high0, low0);
    multiply(c2, m1, high1, low1);
    c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, k0));
    c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, k1));
    c1 = low1;
    c3 = low0;
    k0 += C::kWeyl0;
    k1 += C::kWeyl1;
  }
}

}  // namespace clary::numeric::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
