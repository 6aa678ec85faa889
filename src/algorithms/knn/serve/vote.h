// SPDX-License-Identifier: Apache-2.0
// From the neighbours' labels to an answer. Pure functions.
#pragma once

#include <span>
#include <vector>

#include "algorithms/knn/hyperparameters.h"

namespace clary::knn {

struct ClassShares {
  std::vector<float> classes;  // ascending
  std::vector<float> shares;   // of the neighbours; sum to 1
};

/// Most frequent label; ties go to the smallest. NaN for no neighbours at all.
float majority(std::span<const float> labels);
/// Unweighted; summed in float64. NaN for no neighbours at all.
float mean(std::span<const float> labels);
float answer(Task task, std::span<const float> labels);

ClassShares class_shares(std::span<const float> labels);

/// out[i] = answer(task, the first i + 1 labels): what every smaller k would have said. One pass.
std::vector<float> prefix_answers(Task task, std::span<const float> labels);

}  // namespace clary::knn
