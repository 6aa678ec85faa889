// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/kernels/softmax.h"

#include <algorithm>

// Highway compiles this file once for each instruction set and chooses at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/seq2seq/kernels/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "learning/numeric/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::seq2seq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using I = std::int64_t;
using D = hn::ScalableTag<float>;
using Single = hn::CappedTag<float, 1>;
using numeric::HWY_NAMESPACE::fast_exp;

/// Whole registers of [0, n): what is left is done one number at a time.
HWY_INLINE I whole(I n) {
  const I lanes = static_cast<I>(hn::Lanes(D()));
  return n / lanes * lanes;
}

float Maximum(I n, const float* x) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d)), end = whole(n);
  float most = x[0];
  if (end > 0) {
    auto m = hn::LoadU(d, x);
    for (I i = lanes; i < end; i += lanes) m = hn::Max(m, hn::LoadU(d, x + i));
    most = hn::GetLane(hn::MaxOfLanes(d, m));
  }
  for (I i = end; i < n; ++i) most = std::max(most, x[i]);
  return most;
}

/// x = e^(x - shift); returns the sum.
float ExpSum(I n, float shift, float* x) {
  const D d;
  const Single single;
  const I lanes = static_cast<I>(hn::Lanes(d)), end = whole(n);
  auto sums = hn::Zero(d);
  for (I i = 0; i < end; i += lanes) {
    const auto e = fast_exp(d, hn::Sub(hn::LoadU(d, x + i), hn::Set(d, shift)));
    sums = hn::Add(sums, e);
    hn::StoreU(e, d, x + i);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (I i = end; i < n; ++i) {
    x[i] = hn::GetLane(fast_exp(single, hn::Set(single, x[i] - shift)));
    sum += x[i];
  }
  return sum;
}

float Dot(I n, const float* a, const float* b) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d)), end = whole(n);
  auto sums = hn::Zero(d);
  for (I i = 0; i < end; i += lanes) sums = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sums);
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (I i = end; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void SoftmaxRows(I rows, I width, float* x, I stride) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d)), end = whole(width);
  for (I r = 0; r < rows; ++r, x += stride) {
    const float scale = 1 / ExpSum(width, Maximum(width, x), x);
    for (I i = 0; i < end; i += lanes) hn::StoreU(hn::Mul(hn::Set(d, scale), hn::LoadU(d, x + i)), d, x + i);
    for (I i = end; i < width; ++i) x[i] *= scale;
  }
}

void SoftmaxRowsBackward(I rows, I width, const float* alpha, float* delta, I stride) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d)), end = whole(width);
  for (I r = 0; r < rows; ++r, alpha += stride, delta += stride) {
    const float mean = Dot(width, alpha, delta);
    for (I i = 0; i < end; i += lanes) {
      const auto centred = hn::Sub(hn::LoadU(d, delta + i), hn::Set(d, mean));
      hn::StoreU(hn::Mul(hn::LoadU(d, alpha + i), centred), d, delta + i);
    }
    for (I i = end; i < width; ++i) delta[i] = alpha[i] * (delta[i] - mean);
  }
}

}  // namespace clary::seq2seq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::seq2seq::kernels {
HWY_EXPORT(SoftmaxRows);
HWY_EXPORT(SoftmaxRowsBackward);

void softmax_rows(std::int64_t rows, std::int64_t width, float* x, std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(SoftmaxRows)(rows, width, x, stride);
}
void softmax_rows_backward(std::int64_t rows, std::int64_t width, const float* alpha, float* delta,
                           std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(SoftmaxRowsBackward)(rows, width, alpha, delta, stride);
}
}  // namespace clary::seq2seq::kernels
#endif
