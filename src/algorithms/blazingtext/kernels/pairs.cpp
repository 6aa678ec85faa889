// SPDX-License-Identifier: Apache-2.0
// Skip-gram and cbow: one input vector against a few output rows at a time. An output row is read twice, the second
// time from the first-level cache, and written once.
#include "algorithms/blazingtext/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/blazingtext/kernels/pairs.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "algorithms/blazingtext/kernels/rows-inl.h"
#include "algorithms/blazingtext/kernels/sigmoid-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int32_t kAhead = 2;  // pairs whose rows are fetched before they are needed

/// Where the parts of the scratch memory lie.
struct Scratch {
  float *h, *g, *total, *scores;
  float** rows;
};

/// total = (total +) g;  h += feedback g
/// After a pair the hidden vector moves as its rows will: `feedback` is the mean of squared multiplicities of its rows
/// (WordRows), because one row of the word's n-grams may occur several times. Thus several pairs of one word are
/// learned in sequence with one gather and one scatter.
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

/// a[t] = rate * (label - sigmoid(score)), in place
/// Sample 0 is the true word: 1 is added to its error.
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
    const auto ids =
        plan.features.subspan(static_cast<std::size_t>(step.first_feature), static_cast<std::size_t>(step.features));
    gather(ids, w, s.h);
    for (std::int32_t p = 0; p < step.pairs; ++p) {
      fetch_pair();
      const std::int32_t* words = plan.targets.data() + step.first_pair + p * targets;
      for (std::int32_t t = 0; t < targets; ++t) s.rows[t] = w.output + words[t] * w.stride;
      in_blocks(targets, [&]<int kRows>(std::int32_t at) { dots<kRows>(w.stride, s.h, s.rows + at, s.scores + at); });
      errors(targets, rate, s.scores);
      in_blocks(targets, [&]<int kRows>(std::int32_t at) {
        learn<kRows>(w.stride, s.h, s.rows + at, s.scores + at, s.g, at > 0);
      });
      advance(w.stride, step.feedback, p == 0, s);
    }
    // The change of all pairs is added to the rows at once.
    if (step.pairs > 0) scatter(ids, 1.0f, w, s.total);
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
