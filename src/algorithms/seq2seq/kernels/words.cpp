// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/kernels/words.h"

#include <algorithm>

// Highway compiles this file once for each instruction set and chooses at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/seq2seq/kernels/words.cpp"
#include <hwy/foreach_target.h>
#include <hwy/cache_control.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "learning/numeric/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::seq2seq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using I = std::int64_t;
using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
using numeric::HWY_NAMESPACE::fast_exp;

void BlockMaxima(I words, const float* logits, float* maxima) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  for (I begin = 0; begin < words; begin += kWordBlock, ++maxima) {
    const float* x = logits + begin;
    const I n = std::min(kWordBlock, words - begin);
    if (n < kWordBlock) {
      *maxima = *std::max_element(x, x + n);
      continue;
    }
    V largest = hn::LoadU(d, x);
    for (I i = lanes; i < kWordBlock; i += lanes) largest = hn::Max(largest, hn::LoadU(d, x + i));
    *maxima = hn::GetLane(hn::MaxOfLanes(d, largest));
  }
}

// Four sums side by side, since each exponential is a chain of dependent steps.
float ExpSum(I words, const float* logits, float shift) {
  const D d;
  const hn::CappedTag<float, 1> single;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V s = hn::Set(d, shift);
  V sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  I i = 0;
  for (; i + 4 * lanes <= words; i += 4 * lanes)
    for (I j = 0; j < 4; ++j) sum[j] = hn::Add(sum[j], fast_exp(d, hn::Sub(hn::LoadU(d, logits + i + j * lanes), s)));
  float rest = 0;
  for (; i < words; ++i) rest += hn::GetLane(fast_exp(single, hn::Set(single, logits[i] - shift)));
  const V all = hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]));
  return hn::GetLane(hn::SumOfLanes(d, all)) + rest;
}

// Rows are scattered over a matrix larger than the caches: the next one's begin is asked for in advance, the rest of it
// follows by the CPU's own prefetching.
void WordLogits(I n, const std::int32_t* words, const float* weights, const float* bias, I width, const float* x,
                float* out) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  constexpr I kAhead = 4, kLine = 16;
  for (I i = 0; i < n; ++i) {
    const float* row = weights + words[i] * width;
    if (i + kAhead < n)
      for (I line = 0; line < 8; ++line) hwy::Prefetch(weights + words[i + kAhead] * width + line * kLine);
    V sum[2] = {hn::Zero(d), hn::Zero(d)};
    I j = 0;
    for (; j + 2 * lanes <= width; j += 2 * lanes)
      for (I half = 0; half < 2; ++half)
        sum[half] = hn::MulAdd(hn::LoadU(d, row + j + half * lanes), hn::LoadU(d, x + j + half * lanes), sum[half]);
    float rest = bias[words[i]];
    for (; j < width; ++j) rest += row[j] * x[j];
    out[i] = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum[0], sum[1]))) + rest;
  }
}

}  // namespace clary::seq2seq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::seq2seq::kernels {
HWY_EXPORT(BlockMaxima);
HWY_EXPORT(ExpSum);
HWY_EXPORT(WordLogits);

void block_maxima(std::int64_t words, const float* logits, float* maxima) {
  HWY_DYNAMIC_DISPATCH(BlockMaxima)(words, logits, maxima);
}
float exp_sum(std::int64_t words, const float* logits, float shift) {
  return HWY_DYNAMIC_DISPATCH(ExpSum)(words, logits, shift);
}
void word_logits(std::int64_t n, const std::int32_t* words, const float* weights, const float* bias, std::int64_t width,
                 const float* x, float* out) {
  HWY_DYNAMIC_DISPATCH(WordLogits)(n, words, weights, bias, width, x, out);
}
}  // namespace clary::seq2seq::kernels
#endif
