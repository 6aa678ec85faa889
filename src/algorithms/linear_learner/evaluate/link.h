// SPDX-License-Identifier: Apache-2.0
// From the raw output f to what the user sees. One definition, so that threshold search, metrics and serving agree to
// the last bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace clary::linear_learner {

/// 1 / (1 + exp(-f)) without overflow.
inline float sigmoid(float f) noexcept {
  const float e = std::exp(-std::abs(f));
  return (f >= 0 ? 1.0f : e) / (1.0f + e);
}

/// In place: f -> exp(f) / sum exp(f).
inline void softmax(std::span<float> f) noexcept {
  const float top = *std::max_element(f.begin(), f.end());
  float sum = 0;
  for (float& x : f) sum += x = std::exp(x - top);
  for (float& x : f) x /= sum;
}

}  // namespace clary::linear_learner
