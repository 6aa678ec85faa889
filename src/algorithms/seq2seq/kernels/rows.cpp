// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/kernels/rows.h"

#include <algorithm>
#include <cmath>

// Highway compiles this file once for each instruction set and chooses at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/seq2seq/kernels/rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "learning/numeric/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::seq2seq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using I = std::int64_t;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using numeric::HWY_NAMESPACE::fast_exp;
using numeric::HWY_NAMESPACE::fast_tanh;

/// Calls step(d, i) for every position i: whole registers first, then one number at a time.
template <class F>
HWY_INLINE void for_each(I width, const F& step) {
  const D d;
  const hn::CappedTag<float, 1> single;
  const I lanes = static_cast<I>(hn::Lanes(d));
  I i = 0;
  for (; i + lanes <= width; i += lanes) step(d, i);
  for (; i < width; ++i) step(single, i);
}

void TanhBias(I width, const float* bias, float* x) {
  for_each(width, [&](auto d, I i) HWY_ATTR {
    hn::StoreU(fast_tanh(d, hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, bias + i))), d, x + i);
  });
}

void TanhBackward(I width, const float* y, float* gradient) {
  for_each(width, [&](auto d, I i) HWY_ATTR {
    const auto t = hn::LoadU(d, y + i);
    hn::StoreU(hn::Mul(hn::LoadU(d, gradient + i), hn::NegMulAdd(t, t, hn::Set(d, 1.0f))), d, gradient + i);
  });
}

void AddScaled(I width, float factor, const float* from, float* to) {
  for_each(width, [&](auto d, I i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::Set(d, factor), hn::LoadU(d, from + i), hn::LoadU(d, to + i)), d, to + i);
  });
}

// Four registers of columns at a time, so that each cache line is read once.
void AddColumnSums(I rows, I width, const float* from, I stride, float* to) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  I i = 0;
  for (; i + 4 * lanes <= width; i += 4 * lanes) {
    V sum[4];
    for (I j = 0; j < 4; ++j) sum[j] = hn::LoadU(d, to + i + j * lanes);
    for (I r = 0; r < rows; ++r)
      for (I j = 0; j < 4; ++j) sum[j] = hn::Add(sum[j], hn::LoadU(d, from + r * stride + i + j * lanes));
    for (I j = 0; j < 4; ++j) hn::StoreU(sum[j], d, to + i + j * lanes);
  }
  for (; i < width; ++i)
    for (I r = 0; r < rows; ++r) to[i] += from[r * stride + i];
}

/// Largest of x + bias.
HWY_INLINE float largest_logit(I words, const float* bias, const float* x) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  float largest = x[0] + bias[0];
  V m = hn::Set(d, largest);
  I i = 0;
  for (; i + lanes <= words; i += lanes) m = hn::Max(m, hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, bias + i)));
  largest = hn::GetLane(hn::MaxOfLanes(d, m));
  for (; i < words; ++i) largest = std::max(largest, x[i] + bias[i]);
  return largest;
}

LabelScore CrossEntropy(I words, const float* bias, std::int32_t label, float scale, float* x) {
  const D d;
  const hn::CappedTag<float, 1> single;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const float largest = largest_logit(words, bias, x), logit = x[label] + bias[label];
  bool is_largest = logit >= largest;
  for (I i = 0; is_largest && i < label; ++i) is_largest = x[i] + bias[i] < largest;
  const bool writes = scale != 0;
  V sums = hn::Zero(d);
  float sum = 0;
  I i = 0;
  const auto power = [&](auto tag, I at) HWY_ATTR {
    const auto z = hn::Add(hn::LoadU(tag, x + at), hn::LoadU(tag, bias + at));
    const auto e = fast_exp(tag, hn::Sub(z, hn::Set(tag, largest)));
    if (writes) hn::StoreU(e, tag, x + at);
    return e;
  };
  for (; i + lanes <= words; i += lanes) sums = hn::Add(sums, power(d, i));
  for (; i < words; ++i) sum += hn::GetLane(power(single, i));
  sum += hn::GetLane(hn::SumOfLanes(d, sums));
  if (writes) {
    const float factor = scale / sum;
    for_each(words, [&](auto tag, I at)
                        HWY_ATTR { hn::StoreU(hn::Mul(hn::LoadU(tag, x + at), hn::Set(tag, factor)), tag, x + at); });
    x[label] -= scale;
  }
  const float kLargestNats = 23.0258509f;  // -ln 1e-10
  return {std::min(kLargestNats, std::log(sum) + largest - logit), is_largest};
}

}  // namespace clary::seq2seq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::seq2seq::kernels {
HWY_EXPORT(TanhBias);
HWY_EXPORT(TanhBackward);
HWY_EXPORT(AddScaled);
HWY_EXPORT(AddColumnSums);
HWY_EXPORT(CrossEntropy);

void tanh_bias(std::int64_t width, const float* bias, float* x) { HWY_DYNAMIC_DISPATCH(TanhBias)(width, bias, x); }
void tanh_backward(std::int64_t width, const float* y, float* gradient) {
  HWY_DYNAMIC_DISPATCH(TanhBackward)(width, y, gradient);
}
void add(std::int64_t width, const float* from, float* to) { HWY_DYNAMIC_DISPATCH(AddScaled)(width, 1.0F, from, to); }
void add_scaled(std::int64_t width, float factor, const float* from, float* to) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(width, factor, from, to);
}
void add_column_sums(std::int64_t rows, std::int64_t width, const float* from, std::int64_t stride, float* to) {
  HWY_DYNAMIC_DISPATCH(AddColumnSums)(rows, width, from, stride, to);
}
LabelScore cross_entropy(std::int64_t words, const float* bias, std::int32_t label, float scale, float* x) {
  return HWY_DYNAMIC_DISPATCH(CrossEntropy)(words, bias, label, scale, x);
}
}  // namespace clary::seq2seq::kernels
#endif
