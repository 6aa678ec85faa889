// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/model/weights.h"

#include <cstddef>

#include "algorithms/linear_learner/data/scaler.h"

namespace clary::linear_learner {

// y = label_shift + label_scale (b + sum_j w_j (x_j - shift_j) / scale_j), solved for the coefficients of x. In
// double: the shifts may be much larger than what they leave.
Weights unscaled(const Scaler& scaler, std::span<const float> weight, std::span<const float> bias,
                 std::int64_t outputs) {
  Weights out;
  out.features = scaler.features(), out.outputs = outputs;
  out.weight.resize(weight.size());
  const auto k_count = static_cast<std::size_t>(outputs);
  std::vector<double> b(bias.begin(), bias.end());
  for (std::size_t j = 0; j < scaler.scale.size(); ++j) {
    for (std::size_t k = 0; k < k_count; ++k) {
      const double w = static_cast<double>(weight[j * k_count + k]) / scaler.scale[j];
      b[k] -= w * scaler.shift[j];
      out.weight[j * k_count + k] = static_cast<float>(scaler.label_scale * w);
    }
  }
  for (const double x : b) out.bias.push_back(static_cast<float>(scaler.label_shift + scaler.label_scale * x));
  return out;
}

}  // namespace clary::linear_learner
