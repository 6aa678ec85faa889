// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/kernels/attention.h"

// Highway compiles this file once for each instruction set and chooses at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/seq2seq/kernels/attention.cpp"
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

/// Sum over i of term(d, i).
template <class F>
HWY_INLINE float sum_of(I width, const F& term) {
  const D d;
  const hn::CappedTag<float, 1> single;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum = hn::Zero(d);
  I i = 0;
  for (; i + lanes <= width; i += lanes) sum = hn::Add(sum, term(d, i));
  float rest = 0;
  for (; i < width; ++i) rest += hn::GetLane(term(single, i));
  return hn::GetLane(hn::SumOfLanes(d, sum)) + rest;
}

void MlpScores(I positions, I width, const float* keys, I stride, const float* query, const float* v, float* scores) {
  for (I s = 0; s < positions; ++s) {
    const float* key = keys + s * stride;
    scores[s] = sum_of(width, [&](auto d, I i) HWY_ATTR {
      return hn::Mul(hn::LoadU(d, v + i), fast_tanh(d, hn::Add(hn::LoadU(d, key + i), hn::LoadU(d, query + i))));
    });
  }
}

// The hyperbolic tangents are computed again: kept, they would be T S B A numbers.
void MlpBackward(I positions, I width, const float* keys, I stride, const float* query, const float* v,
                 const float* score_gradient, float* keys_gradient, float* query_gradient, float* v_gradient) {
  for_each(width, [&](auto d, I i) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f), q = hn::LoadU(d, query + i), weight = hn::LoadU(d, v + i);
    auto dq = hn::Zero(d), dv = hn::LoadU(d, v_gradient + i);
    for (I s = 0; s < positions; ++s) {
      const auto g = hn::Set(d, score_gradient[s]);
      const auto t = fast_tanh(d, hn::Add(hn::LoadU(d, keys + s * stride + i), q));
      const auto dsum = hn::Mul(hn::Mul(g, weight), hn::NegMulAdd(t, t, one));
      float* dkey = keys_gradient + s * stride + i;
      hn::StoreU(hn::Add(hn::LoadU(d, dkey), dsum), d, dkey);
      dq = hn::Add(dq, dsum);
      dv = hn::MulAdd(g, t, dv);
    }
    hn::StoreU(dq, d, query_gradient + i);
    hn::StoreU(dv, d, v_gradient + i);
  });
}

void DotScores(I positions, I width, const float* keys, I stride, const float* query, float* scores) {
  for (I s = 0; s < positions; ++s) {
    const float* key = keys + s * stride;
    scores[s] =
        sum_of(width, [&](auto d, I i) HWY_ATTR { return hn::Mul(hn::LoadU(d, key + i), hn::LoadU(d, query + i)); });
  }
}

void WeightedSum(I positions, I width, const float* rows, I stride, const float* weights, float* sum) {
  for_each(width, [&](auto d, I i) HWY_ATTR {
    auto x = hn::Zero(d);
    for (I s = 0; s < positions; ++s) x = hn::MulAdd(hn::Set(d, weights[s]), hn::LoadU(d, rows + s * stride + i), x);
    hn::StoreU(x, d, sum + i);
  });
}

void AddOuter(I positions, I width, const float* weights, const float* x, float* rows, I stride) {
  for (I s = 0; s < positions; ++s) {
    float* row = rows + s * stride;
    for_each(width, [&](auto d, I i) HWY_ATTR {
      hn::StoreU(hn::MulAdd(hn::Set(d, weights[s]), hn::LoadU(d, x + i), hn::LoadU(d, row + i)), d, row + i);
    });
  }
}

}  // namespace clary::seq2seq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::seq2seq::kernels {
HWY_EXPORT(MlpScores);
HWY_EXPORT(MlpBackward);
HWY_EXPORT(DotScores);
HWY_EXPORT(WeightedSum);
HWY_EXPORT(AddOuter);

void mlp_scores(std::int64_t positions, std::int64_t width, const float* keys, std::int64_t stride, const float* query,
                const float* v, float* scores) {
  HWY_DYNAMIC_DISPATCH(MlpScores)(positions, width, keys, stride, query, v, scores);
}
void mlp_backward(std::int64_t positions, std::int64_t width, const float* keys, std::int64_t stride,
                  const float* query, const float* v, const float* score_gradient, float* keys_gradient,
                  float* query_gradient, float* v_gradient) {
  HWY_DYNAMIC_DISPATCH(MlpBackward)
  (positions, width, keys, stride, query, v, score_gradient, keys_gradient, query_gradient, v_gradient);
}
void dot_scores(std::int64_t positions, std::int64_t width, const float* keys, std::int64_t stride, const float* query,
                float* scores) {
  HWY_DYNAMIC_DISPATCH(DotScores)(positions, width, keys, stride, query, scores);
}
void weighted_sum(std::int64_t positions, std::int64_t width, const float* rows, std::int64_t stride,
                  const float* weights, float* sum) {
  HWY_DYNAMIC_DISPATCH(WeightedSum)(positions, width, rows, stride, weights, sum);
}
void add_outer(std::int64_t positions, std::int64_t width, const float* weights, const float* x, float* rows,
               std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(AddOuter)(positions, width, weights, x, rows, stride);
}

}  // namespace clary::seq2seq::kernels
#endif
