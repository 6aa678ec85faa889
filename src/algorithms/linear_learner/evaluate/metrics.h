// SPDX-License-Identifier: Apache-2.0
// The metrics of the final report: pure functions of raw scores and labels. N rows, K outputs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "algorithms/linear_learner/hyperparameters.h"

namespace clary::linear_learner {

/// Raw outputs f of one model over a data set, in row order, and the labels.
struct Scores {
  std::int64_t rows = 0;      // N
  std::int64_t outputs = 0;   // K
  std::vector<float> raw;     // [N, K], row-major
  std::vector<float> labels;  // [N]
};

struct NamedMetric {
  std::string name;
  std::string kind;  // "loss" or "score"
  double value = 0;
};

/// Every metric of the final lines in their order: the objective first. The objective is the mean loss on the labels'
/// own scale, with positive_weight and class_weights as in training; everything else is unweighted.
/// @param threshold      rows with p (hinge: f) at or above it are labelled 1; binary_classifier only
/// @param class_weights  [K] or empty (all 1); multiclass_classifier only
/// @param positive_weight  weight of positive rows in the objective; binary_classifier only
std::vector<NamedMetric> final_metrics(const Hyperparameters& hp, double threshold,
                                       const std::vector<float>& class_weights, const Scores& scores,
                                       double positive_weight = 1);

/// "binary_classification_cross_entropy_objective", "mse_objective", ...: names the per-epoch lines too.
std::string objective_name(Loss loss);

/// Mean loss of raw outputs on labels, both on the labels' own scale.
double mean_loss(const Hyperparameters& hp, const std::vector<float>& class_weights, const Scores& scores,
                 double positive_weight = 1);

}  // namespace clary::linear_learner
