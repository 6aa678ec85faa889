// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/loss.h"

#include <algorithm>
#include <cmath>

namespace clary::linear_learner {
namespace {

double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

// e = f - y. `knob` is delta, epsilon or the quantile, as the loss needs it.
LossAndSlope regression(const kernels::LossRule& rule, double e) {
  const double knob = static_cast<double>(rule.knob), size = std::abs(e);
  switch (rule.loss) {
    case Loss::kAbsolute:
      return {size, sign(e)};
    case Loss::kHuber:
      return size < knob ? LossAndSlope{e * e / 2, e} : LossAndSlope{knob * size - knob * knob / 2, knob * sign(e)};
    case Loss::kEpsInsensitiveSquared:
      return size > knob ? LossAndSlope{e * e - knob * knob, 2 * e} : LossAndSlope{};
    case Loss::kEpsInsensitiveAbsolute:
      return size > knob ? LossAndSlope{size - knob, sign(e)} : LossAndSlope{};
    case Loss::kQuantile:
      // Pinball loss for the quantile q: q (y - f) below, (1 - q)(f - y) above.
      return e > 0 ? LossAndSlope{(1 - knob) * e, 1 - knob} : e < 0 ? LossAndSlope{-knob * e, -knob} : LossAndSlope{};
    default:
      return {e * e, 2 * e};
  }
}

}  // namespace

LossAndSlope row_loss(const kernels::LossRule& rule, double f, double y, double positive_weight) {
  const bool positive = y > 0.5;
  const double weight = positive ? positive_weight : 1;
  if (rule.loss == Loss::kLogistic) {
    // Both forms avoid exp() of large positive numbers.
    const double p = f >= 0 ? 1 / (1 + std::exp(-f)) : std::exp(f) / (1 + std::exp(f));
    const double soft = std::max(f, 0.0) + std::log1p(std::exp(-std::abs(f)));
    return {weight * (soft - y * f), weight * (p - y)};
  }
  if (rule.loss == Loss::kHinge) {
    const double m = static_cast<double>(rule.knob);
    // Hinge with targets (m + 1) / 2 and (1 - m) / 2 for labels 1 and 0, margin m.
    const double violation = positive ? (m + 1) / 2 - f : (m - 1) / 2 + f;
    return violation > 0 ? LossAndSlope{weight * violation, positive ? -weight : weight} : LossAndSlope{};
  }
  return regression(rule, f - y);
}

double softmax_loss(std::span<const double> f, std::int64_t label, std::span<double> slopes) {
  // log-sum-exp with the maximum taken out.
  const double most = *std::max_element(f.begin(), f.end());
  double sum = 0;
  for (const double x : f) sum += std::exp(x - most);
  for (std::size_t k = 0; k < slopes.size(); ++k) {
    slopes[k] = std::exp(f[k] - most) / sum - (static_cast<std::int64_t>(k) == label ? 1 : 0);
  }
  return std::log(sum) + most - f[static_cast<std::size_t>(label)];
}

}  // namespace clary::linear_learner
