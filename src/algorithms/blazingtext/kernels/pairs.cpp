// SPDX-License-Identifier: Apache-2.0
// Skip-gram and cbow: one input vector against a few output rows at a time, column block by column block, so that every
// output row is read twice and written once and nothing but the rows touches memory.
#include "algorithms/blazingtext/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/blazingtext/kernels/pairs.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "algorithms/blazingtext/kernels/sigmoid-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using I = std::int64_t;

constexpr int kBlock = 6;           // output rows side by side: one true word and the usual five negatives
constexpr std::int32_t kAhead = 2;  // pairs whose rows are fetched before they are needed

/// scores[r] = rows[r] . h
template <int kRows>
HWY_INLINE void dots(I stride, const float* HWY_RESTRICT h, float* const* rows, float* HWY_RESTRICT scores) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = hn::Zero(d);
  for (I n = 0; n < stride; n += lanes) {
    const V x = hn::Load(d, h + n);
    for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(x, hn::Load(d, rows[r] + n), sum[r]);
  }
  for (int r = 0; r < kRows; ++r) scores[r] = hn::GetLane(hn::SumOfLanes(d, sum[r]));
}

/// g = (g +) sum_r a[r] rows[r];  rows[r] += a[r] h
template <int kRows>
HWY_INLINE void learn(I stride, const float* HWY_RESTRICT h, float* const* rows, const float* HWY_RESTRICT a,
                      float* HWY_RESTRICT g, bool accumulate) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V step[kRows];
  for (int r = 0; r < kRows; ++r) step[r] = hn::Set(d, a[r]);
  for (I n = 0; n < stride; n += lanes) {
    const V x = hn::Load(d, h + n);
    V sum = accumulate ? hn::Load(d, g + n) : hn::Zero(d);
    for (int r = 0; r < kRows; ++r) {
      const V row = hn::Load(d, rows[r] + n);
      sum = hn::MulAdd(step[r], row, sum);
      hn::Store(hn::MulAdd(step[r], x, row), d, rows[r] + n);
    }
    hn::Store(sum, d, g + n);
  }
}

/// Calls f<number of rows>(first row) for `rows` rows in blocks.
template <class F>
HWY_INLINE void in_blocks(std::int32_t rows, F&& f) {
  std::int32_t at = 0;
  for (; rows - at >= kBlock; at += kBlock) f.template operator()<kBlock>(at);
  switch (rows - at) {
    case 5:
      return f.template operator()<5>(at);
    case 4:
      return f.template operator()<4>(at);
    case 3:
      return f.template operator()<3>(at);
    case 2:
      return f.template operator()<2>(at);
    case 1:
      return f.template operator()<1>(at);
    default:
      return;
  }
}

/// Where the parts of the scratch memory lie.
struct Scratch {
  float *h, *g, *total, *scores;
  float** rows;
};

/// h = mean of the step's feature rows
HWY_INLINE void gather(const Plan& plan, const Step& step, const Weights& w, float* HWY_RESTRICT h) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const std::int32_t* ids = plan.features.data() + step.first_feature;
  const V factor = hn::Set(d, 1.0f / static_cast<float>(step.features));
  for (I n = 0; n < w.stride; n += lanes) {
    V sum = hn::Load(d, w.input + ids[0] * w.stride + n);
    for (std::int32_t f = 1; f < step.features; ++f) sum = hn::Add(sum, hn::Load(d, w.input + ids[f] * w.stride + n));
    hn::Store(hn::Mul(sum, factor), d, h + n);
  }
}

/// Every feature row += total
HWY_INLINE void scatter(const Plan& plan, const Step& step, const Weights& w, const float* HWY_RESTRICT total) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const std::int32_t* ids = plan.features.data() + step.first_feature;
  for (std::int32_t f = 0; f < step.features; ++f) {
    float* row = w.input + ids[f] * w.stride;
    for (I n = 0; n < w.stride; n += lanes)
      hn::Store(hn::Add(hn::Load(d, row + n), hn::Load(d, total + n)), d, row + n);
  }
}

/// total = (total +) g;  h += feedback g
HWY_INLINE void advance(I stride, float feedback, bool first, const Scratch& s) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V factor = hn::Set(d, feedback);
  for (I n = 0; n < stride; n += lanes) {
    const V g = hn::Load(d, s.g + n);
    hn::Store(first ? g : hn::Add(g, hn::Load(d, s.total + n)), d, s.total + n);
    hn::Store(hn::MulAdd(factor, g, hn::Load(d, s.h + n)), d, s.h + n);
  }
}

HWY_INLINE void fetch(const float* row, I stride) {
  for (I n = 0; n < stride; n += 16) __builtin_prefetch(row + n, 1, 3);
}

/// a[t] = rate * (label - sigmoid(score)), in place
HWY_INLINE void errors(std::int32_t count, float rate, float* HWY_RESTRICT scores) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V scale = hn::Set(d, -rate);
  for (I i = 0; i < count; i += lanes) hn::Store(hn::Mul(scale, sigmoid(d, hn::Load(d, scores + i))), d, scores + i);
  scores[0] += rate;
}

void TrainPairs(const Plan& plan, const Weights& w, float rate, float* scratch) {
  const std::int32_t targets = plan.targets_per_pair;
  Scratch s{scratch, scratch + w.stride, scratch + 2 * w.stride, scratch + 3 * w.stride, nullptr};
  s.rows = reinterpret_cast<float**>(s.scores + (targets + 15) / 16 * 16);
  const std::int32_t* const end = plan.targets.data() + plan.targets.size();
  const std::int32_t* ahead = plan.targets.data();
  const auto fetch_pair = [&] {
    for (std::int32_t t = 0; t < targets && ahead < end; ++t) fetch(w.output + *ahead++ * w.stride, w.stride);
  };
  for (std::int32_t p = 0; p < kAhead; ++p) fetch_pair();
  for (const Step& step : plan.steps) {
    gather(plan, step, w, s.h);
    for (std::int32_t p = 0; p < step.pairs; ++p) {
      fetch_pair();
      const std::int32_t* ids = plan.targets.data() + step.first_pair + p * targets;
      for (std::int32_t t = 0; t < targets; ++t) s.rows[t] = w.output + ids[t] * w.stride;
      in_blocks(targets, [&]<int kRows>(std::int32_t at) { dots<kRows>(w.stride, s.h, s.rows + at, s.scores + at); });
      errors(targets, rate, s.scores);
      in_blocks(targets, [&]<int kRows>(std::int32_t at) {
        learn<kRows>(w.stride, s.h, s.rows + at, s.scores + at, s.g, at > 0);
      });
      advance(w.stride, step.feedback, p == 0, s);
    }
    if (step.pairs > 0) scatter(plan, step, w, s.total);
  }
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::blazingtext::kernels {

HWY_EXPORT(TrainPairs);

void train_pairs(const Plan& plan, const Weights& weights, float rate, float* scratch) {
  HWY_DYNAMIC_DISPATCH(TrainPairs)(plan, weights, rate, scratch);
}

std::size_t pair_scratch(std::int64_t stride, std::int32_t targets_per_pair) {
  return static_cast<std::size_t>(3 * stride + 3 * targets_per_pair + 64);
}

}  // namespace clary::blazingtext::kernels
#endif
