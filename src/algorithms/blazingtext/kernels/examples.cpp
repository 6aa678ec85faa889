// SPDX-License-Identifier: Apache-2.0
// The classifier: a mean of many rows of E against all rows of O, and back. Rows of E lie anywhere in a large matrix,
// so they are fetched some features before they are needed, over the borders of lines.
#include <algorithm>

#include "algorithms/blazingtext/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/blazingtext/kernels/examples.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "algorithms/blazingtext/kernels/rows-inl.h"
#include "algorithms/blazingtext/kernels/sigmoid-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {

constexpr float kNoScore = -1e30f;  // behind the last label, up to a whole vector

/// Where the parts of the scratch memory lie.
struct ExampleScratch {
  ExampleScratch(float* scratch, const Weights& w, std::int32_t labels)
      : h(scratch), g(scratch + w.stride), scores(scratch + 2 * w.stride) {
    const std::int32_t padded = (labels + 15) / 16 * 16;
    rows = reinterpret_cast<float**>(scores + padded);
    for (std::int32_t k = 0; k < labels; ++k) rows[k] = w.output + k * w.stride;
  }
  float *h, *g, *scores;
  float** rows;
};

/// scores = rate * ([k = label] - softmax(scores)_k)
/// Subtracting the maximum keeps exp() finite; the padding's kNoScore contributes 0.
HWY_INLINE void softmax_errors(std::int32_t labels, std::int32_t label, float rate, float* HWY_RESTRICT scores) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V most = hn::Set(d, kNoScore);
  for (I k = 0; k < labels; k += lanes) most = hn::Max(most, hn::Load(d, scores + k));
  most = hn::MaxOfLanes(d, most);
  V sum = hn::Zero(d);
  for (I k = 0; k < labels; k += lanes) {
    const V score = hn::Load(d, scores + k);
    const V e = hn::IfThenElseZero(hn::Gt(score, hn::Set(d, kNoScore)), fast_exp(d, hn::Sub(score, most)));
    sum = hn::Add(sum, e);
    hn::Store(e, d, scores + k);
  }
  const V factor = hn::Div(hn::Set(d, -rate), hn::SumOfLanes(d, sum));
  for (I k = 0; k < labels; k += lanes) hn::Store(hn::Mul(factor, hn::Load(d, scores + k)), d, scores + k);
  scores[label] += rate;
}

/// scores = rate * ([k in truths] - sigmoid(scores - kTableShift)_k)
HWY_INLINE void sigmoid_errors(std::int32_t labels, std::span<const std::int32_t> truths, float rate,
                               float* HWY_RESTRICT scores) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const V factor = hn::Set(d, -rate);
  for (I k = 0; k < labels; k += lanes) {
    const V x = hn::Sub(hn::Load(d, scores + k), hn::Set(d, kTableShift));
    hn::Store(hn::Mul(factor, sigmoid(d, x)), d, scores + k);
  }
  for (const std::int32_t k : truths) scores[k] += rate;
}

// h is the mean of the rows; scores of all labels from groups of kBlock rows.
HWY_INLINE void score(const ExamplePlan& plan, const Weights& w, const ExampleScratch& s) {
  in_blocks(plan.labels, [&]<int kRows>(std::int32_t at) { dots<kRows>(w.stride, s.h, s.rows + at, s.scores + at); });
  const std::int32_t padded = (plan.labels + 15) / 16 * 16;
  for (std::int32_t k = plan.labels; k < padded; ++k) s.scores[k] = kNoScore;
}

/// Walks through the plan's features ahead of the work.
/// About 2,048 floats ahead: the time to learn them covers the latency of memory.
class Fetcher {
 public:
  Fetcher(const ExamplePlan& plan, const Weights& w)
      : at_(plan.features.data()), end_(at_ + plan.features.size()), w_(w) {
    advance(static_cast<std::int32_t>(std::max<I>(64, 2048 / w.stride)));
  }
  void advance(std::int32_t rows) {
    const std::int32_t* const to = end_ - at_ < rows ? end_ : at_ + rows;
    for (; at_ < to; ++at_) fetch(w_.input + *at_ * w_.stride, w_.stride);
  }

 private:
  const std::int32_t *at_, *end_;
  const Weights& w_;
};

/// @param errors  (example, scores): scores become steps along h
template <class Errors>
HWY_INLINE void train(const ExamplePlan& plan, const Weights& w, float* scratch, Errors&& errors) {
  const ExampleScratch s(scratch, w, plan.labels);
  Fetcher ahead(plan, w);
  for (const Example& example : plan.examples) {
    const auto ids = plan.features.subspan(static_cast<std::size_t>(example.first_feature),
                                           static_cast<std::size_t>(example.features));
    ahead.advance(example.features);
    gather(ids, w, s.h);
    score(plan, w, s);
    errors(example, s.scores);
    in_blocks(plan.labels, [&]<int kRows>(std::int32_t at) {
      learn<kRows>(w.stride, s.h, s.rows + at, s.scores + at, s.g, at > 0);
    });
    // fastText's gradient of the mean: every row gets the step divided by the number of rows.
    scatter(ids, 1.0f / static_cast<float>(example.features), w, s.g);
  }
}

void TrainExamples(const ExamplePlan& plan, const Weights& w, float rate, float* scratch) {
  train(plan, w, scratch,
        [&](const Example& example, float* scores) { softmax_errors(plan.labels, example.label, rate, scores); });
}

void TrainAllLabels(const ExamplePlan& plan, const Weights& w, float rate, float* scratch) {
  train(plan, w, scratch, [&](const Example& example, float* scores) {
    sigmoid_errors(
        plan.labels,
        plan.truths.subspan(static_cast<std::size_t>(example.first_truth), static_cast<std::size_t>(example.truths)),
        rate, scores);
  });
}

void BestLabels(const ExamplePlan& plan, const Weights& w, std::int32_t* best, float* scratch) {
  const ExampleScratch s(scratch, w, plan.labels);
  Fetcher ahead(plan, w);
  for (const Example& example : plan.examples) {
    ahead.advance(example.features);
    gather(plan.features.subspan(static_cast<std::size_t>(example.first_feature),
                                 static_cast<std::size_t>(example.features)),
           w, s.h);
    score(plan, w, s);
    *best++ = static_cast<std::int32_t>(std::max_element(s.scores, s.scores + plan.labels) - s.scores);
  }
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::blazingtext::kernels {

HWY_EXPORT(TrainExamples);
HWY_EXPORT(TrainAllLabels);
HWY_EXPORT(BestLabels);

void train_examples(const ExamplePlan& plan, const Weights& weights, float rate, float* scratch) {
  HWY_DYNAMIC_DISPATCH(TrainExamples)(plan, weights, rate, scratch);
}

void train_all_labels(const ExamplePlan& plan, const Weights& weights, float rate, float* scratch) {
  HWY_DYNAMIC_DISPATCH(TrainAllLabels)(plan, weights, rate, scratch);
}

void best_labels(const ExamplePlan& plan, const Weights& weights, std::int32_t* best, float* scratch) {
  HWY_DYNAMIC_DISPATCH(BestLabels)(plan, weights, best, scratch);
}

std::size_t example_scratch(std::int64_t stride, std::int32_t labels) {
  return static_cast<std::size_t>(2 * stride + 3 * (labels + 16) + 64);
}

}  // namespace clary::blazingtext::kernels
#endif
