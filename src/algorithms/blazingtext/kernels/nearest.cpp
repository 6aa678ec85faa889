// SPDX-License-Identifier: Apache-2.0
// Vector quantisation's inner loop: which of 256 centroids is nearest to each of many short points.
#include <limits>

#include "algorithms/blazingtext/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/blazingtext/kernels/nearest.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Lanes run over centroids, so that no sum across lanes is needed before the end; numbers up to 255 are exact in
// float32.
void NearestCentroids(const PointSet& points, const float* centroids, std::uint8_t* nearest, std::int64_t step) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto first_numbers = hn::Iota(d, 0.0f);
  const auto none = hn::Set(d, static_cast<float>(kCentroids));
  for (std::int64_t i = 0; i < points.count; ++i) {
    const float* point = points.first + i * points.stride;
    auto best = hn::Set(d, std::numeric_limits<float>::infinity());
    auto number = hn::Zero(d);
    for (std::int64_t k = 0; k < kCentroids; k += lanes) {
      auto distance = hn::Zero(d);
      for (std::int64_t n = 0; n < points.width; ++n) {
        const auto away = hn::Sub(hn::Set(d, point[n]), hn::Load(d, centroids + n * kCentroids + k));
        distance = hn::MulAdd(away, away, distance);
      }
      const auto nearer = hn::Lt(distance, best);
      best = hn::IfThenElse(nearer, distance, best);
      number = hn::IfThenElse(nearer, hn::Add(first_numbers, hn::Set(d, static_cast<float>(k))), number);
    }
    // Of the lanes that share the least distance the lowest number.
    const auto winners = hn::Eq(best, hn::MinOfLanes(d, best));
    const float winner = hn::GetLane(hn::MinOfLanes(d, hn::IfThenElse(winners, number, none)));
    // NaN distances match no lane: code 0.
    nearest[i * step] = winner < kCentroids ? static_cast<std::uint8_t>(winner) : 0;
  }
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::blazingtext::kernels {

HWY_EXPORT(NearestCentroids);

void nearest_centroids(const PointSet& points, const float* centroids, std::uint8_t* nearest, std::int64_t step) {
  HWY_DYNAMIC_DISPATCH(NearestCentroids)(points, centroids, nearest, step);
}

}  // namespace clary::blazingtext::kernels
#endif
