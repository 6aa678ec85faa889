// SPDX-License-Identifier: Apache-2.0
// batch_skipgram: three small matrix products a block, made so that every row comes from memory once and all else stays
// in registers. The first product keeps up to 6 x 4 sums; the other two share one pass over the columns. Letters: S
// samples, I inputs of a block.
#include <algorithm>

#include "algorithms/blazingtext/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/blazingtext/kernels/blocks.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "algorithms/blazingtext/kernels/rows-inl.h"
#include "algorithms/blazingtext/kernels/sigmoid-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {

constexpr float kSaturation = 6;  // word2vec's MAX_EXP
constexpr std::int32_t kInputsAtOnce = HWY_LANES(float) >= 16 ? 4 : 2;

/// Where the parts of the scratch memory lie.
/// Rows of scores are padded to 16 so that vectors need no tail.
struct BlockScratch {
  BlockScratch(float* scratch, const BlockPlan& plan, I stride) {
    score_stride = (plan.max_samples + 15) / 16 * 16;
    scores = scratch;
    change = scores + static_cast<I>(plan.max_inputs) * score_stride;
    samples = reinterpret_cast<float**>(change + plan.max_inputs * stride);
    inputs = samples + plan.max_samples;
    changes = inputs + plan.max_inputs;
    for (std::int32_t i = 0; i < plan.max_inputs; ++i) changes[i] = change + i * stride;
  }
  float* scores;  // [I, score_stride]: F, then G
  float* change;  // [I, stride]: dI while the samples come in several groups
  float **samples, **inputs, **changes;
  I score_stride;
};

/// scores[i, s] = inputs[i] . samples[s]
template <int kSamples, int kInputs>
// kInputs x kSamples sums stay in registers: each vector that is loaded is used kSamples or kInputs times.
HWY_INLINE void products(I stride, float* const* samples, float* const* inputs, float* scores, I score_stride) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum[kInputs][kSamples];
  for (int i = 0; i < kInputs; ++i)
    for (int s = 0; s < kSamples; ++s) sum[i][s] = hn::Zero(d);
  for (I n = 0; n < stride; n += lanes) {
    V x[kInputs];
    for (int i = 0; i < kInputs; ++i) x[i] = hn::Load(d, inputs[i] + n);
    for (int s = 0; s < kSamples; ++s) {
      const V y = hn::Load(d, samples[s] + n);
      for (int i = 0; i < kInputs; ++i) sum[i][s] = hn::MulAdd(x[i], y, sum[i][s]);
    }
  }
  for (int i = 0; i < kInputs; ++i) store_sums<kSamples>(sum[i], scores + i * score_stride);
}

template <int kSamples>
HWY_INLINE void score_group(I stride, float* const* samples, std::int32_t inputs, float* const* rows, float* scores,
                            I score_stride) {
  std::int32_t i = 0;
  for (; i + kInputsAtOnce <= inputs; i += kInputsAtOnce)
    products<kSamples, kInputsAtOnce>(stride, samples, rows + i, scores + i * score_stride, score_stride);
  if constexpr (kInputsAtOnce > 2) {
    if (i + 2 <= inputs) {
      products<kSamples, 2>(stride, samples, rows + i, scores + i * score_stride, score_stride);
      i += 2;
    }
  }
  if (i < inputs) products<kSamples, 1>(stride, samples, rows + i, scores + i * score_stride, score_stride);
}

/// samples[s] += sum_i G[i, s] inputs[i];  to[i] += sum_s G[i, s] samples[s], old values. `to` may be `inputs`.
template <int kSamples>
// Both updates use the old values of the samples, as if all pairs of the block had been learned at once; with one
// group the inputs are updated in place.
HWY_INLINE void learn_group(I stride, float* const* samples, std::int32_t inputs, float* const* rows, float* const* to,
                            const float* scores, I score_stride) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  for (I n = 0; n < stride; n += lanes) {
    V old[kSamples], now[kSamples];
    for (int s = 0; s < kSamples; ++s) now[s] = old[s] = hn::Load(d, samples[s] + n);
    for (std::int32_t i = 0; i < inputs; ++i) {
      const V x = hn::Load(d, rows[i] + n);
      V sum = hn::Load(d, to[i] + n);
      const float* g = scores + i * score_stride;
      for (int s = 0; s < kSamples; ++s) {
        const V a = hn::Set(d, g[s]);
        now[s] = hn::MulAdd(a, x, now[s]);
        sum = hn::MulAdd(a, old[s], sum);
      }
      hn::Store(sum, d, to[i] + n);
    }
    for (int s = 0; s < kSamples; ++s) hn::Store(now[s], d, samples[s] + n);
  }
}

/// scores = rate * times_s * (label_s - sigmoid(scores)); sample 0 has label 1.
/// word2vec clips: beyond +-6 the sigmoid counts as 1 or 0, so that a certain pair teaches nothing.
HWY_INLINE void block_errors(std::span<const Sample> samples, std::int32_t inputs, float rate, float* scores,
                             I score_stride) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d)), count = static_cast<I>(samples.size());
  const V most = hn::Set(d, kSaturation), scale = hn::Set(d, -rate);
  for (std::int32_t i = 0; i < inputs; ++i, scores += score_stride) {
    for (I s = 0; s < count; s += lanes) {
      const V f = hn::Load(d, scores + s);
      V p = sigmoid(d, f);
      p = hn::IfThenElse(hn::Gt(f, most), hn::Set(d, 1.0f), p);
      p = hn::IfThenZeroElse(hn::Lt(f, hn::Neg(most)), p);
      hn::Store(hn::Mul(scale, p), d, scores + s);
    }
    // The positive sample's error is rate * (1 - p): the label's 1 is added to -rate * p.
    scores[0] += rate;
    for (I s = 1; s < count; ++s) {
      const std::int32_t times = samples[static_cast<std::size_t>(s)].times;
      // A negative word that was drawn several times is one row with that weight.
      if (times > 1) scores[s] *= static_cast<float>(times);
    }
  }
}

HWY_INLINE void add_changes(I stride, std::int32_t inputs, const BlockScratch& s) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  for (std::int32_t i = 0; i < inputs; ++i)
    for (I n = 0; n < stride; n += lanes)
      hn::Store(hn::Add(hn::Load(d, s.inputs[i] + n), hn::Load(d, s.changes[i] + n)), d, s.inputs[i] + n);
}

// Other threads write the same rows at the same time, without locks (Hogwild: Recht et al., NIPS 2011). Lost updates
// are rare because the matrices are large.
void TrainBlocks(const BlockPlan& plan, const Weights& w, float rate, float* scratch) {
  const BlockScratch s(scratch, plan, w.stride);
  // Rows of the next two blocks are on their way while this one is computed.
  const auto fetch_block = [&](std::size_t b) {
    if (b >= plan.blocks.size()) return;
    const Block& block = plan.blocks[b];
    for (const Sample& sample :
         plan.samples.subspan(static_cast<std::size_t>(block.first_sample), static_cast<std::size_t>(block.samples)))
      fetch(w.output + sample.row * w.stride, w.stride);
    // Of the inputs only the last is new to a window that moves on by one word.
    if (block.inputs > 0)
      fetch(w.input + plan.inputs[static_cast<std::size_t>(block.first_input + block.inputs - 1)] * w.stride, w.stride);
  };
  fetch_block(0);
  fetch_block(1);
  for (std::size_t b = 0; b < plan.blocks.size(); ++b) {
    fetch_block(b + 2);
    const Block& block = plan.blocks[b];
    const auto samples =
        plan.samples.subspan(static_cast<std::size_t>(block.first_sample), static_cast<std::size_t>(block.samples));
    for (std::size_t k = 0; k < samples.size(); ++k) s.samples[k] = w.output + samples[k].row * w.stride;
    for (std::int32_t i = 0; i < block.inputs; ++i)
      s.inputs[i] = w.input + plan.inputs[static_cast<std::size_t>(block.first_input + i)] * w.stride;
    in_blocks(block.samples, [&]<int kSamples>(std::int32_t at) {
      score_group<kSamples>(w.stride, s.samples + at, block.inputs, s.inputs, s.scores + at, s.score_stride);
    });
    block_errors(samples, block.inputs, rate, s.scores, s.score_stride);
    const bool one_group = block.samples <= kBlock;
    // Several groups: changes of the inputs are collected apart, since the second group must see their old values.
    if (!one_group) std::fill_n(s.change, block.inputs * w.stride, 0.0f);
    in_blocks(block.samples, [&]<int kSamples>(std::int32_t at) {
      learn_group<kSamples>(w.stride, s.samples + at, block.inputs, s.inputs, one_group ? s.inputs : s.changes,
                            s.scores + at, s.score_stride);
    });
    if (!one_group) add_changes(w.stride, block.inputs, s);
  }
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::blazingtext::kernels {

HWY_EXPORT(TrainBlocks);

void train_blocks(const BlockPlan& plan, const Weights& weights, float rate, float* scratch) {
  HWY_DYNAMIC_DISPATCH(TrainBlocks)(plan, weights, rate, scratch);
}

std::size_t block_scratch(std::int64_t stride, std::int32_t max_inputs, std::int32_t max_samples) {
  return static_cast<std::size_t>(max_inputs * ((max_samples + 15) / 16 * 16 + stride) + 2 * max_samples +
                                  4 * max_inputs + 64);
}

}  // namespace clary::blazingtext::kernels
#endif
