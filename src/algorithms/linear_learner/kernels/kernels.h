// SPDX-License-Identifier: Apache-2.0
// The loops training spends its time in, compiled for SSE4, AVX2 and AVX-512 and chosen at run time (Highway). Nothing
// here allocates, locks or keeps state, so every function may run on any thread.
//
// N rows, D features, M candidates side by side, K outputs of each, L lanes: one lane is one output of one candidate.
// Scores f and slopes g = d loss / d f are [N, width] with `width` a multiple of kPad, or, with one candidate of one
// output, plain vectors [N] ("single"). Padding lanes hold numbers that nobody reads.
#pragma once

#include <cstdint>

#include "algorithms/linear_learner/hyperparameters.h"
#include "learning/numeric/gemm.h"

namespace clary::linear_learner::kernels {

using numeric::kPad;
using numeric::padded;

/// A loss and its one knob, as section "Losses" of README.md writes them.
struct LossRule {
  Loss loss = Loss::kSquared;
  float knob = 0;  // margin, quantile, epsilon or delta; unused by the others
  /// Above 0: kinks are rounded over this width (Huber's way), so that solvers which need a smooth function can work.
  /// The loss is then at most smoothing / 2 below the exact one. Absolute, eps_insensitive_absolute, quantile and
  /// hinge.
  float smoothing = 0;
};

/// Replaces scores by slopes, and adds the losses. Labels are {0, 1} for the two-class losses. Neither loss nor slope
/// is divided by the number of rows.
/// @param f         in: [n, width] x W without bias; out: the slopes
/// @param bias      [width], added to every row's scores
/// @param positive  [width], factor of rows with label 1 (logistic and hinge only)
/// @param loss_sum, slope_sum  [width], added to
void scalar_loss(const LossRule& rule, std::int64_t n, std::int64_t width, float* f, const float* labels,
                 const float* bias, const float* positive, double* loss_sum, double* slope_sum);

/// The same for one lane: f [n].
void single_loss(const LossRule& rule, std::int64_t n, float* f, const float* labels, float bias, float positive,
                 double* loss_sum, double* slope_sum);

/// Softmax with many candidates: lane k * models + m, models a multiple of kPad.
/// @param class_weight  [K] or null (all 1)
/// @param loss_sum      [models]; @param slope_sum  [K * models]
void softmax_across(std::int64_t n, std::int64_t models, std::int64_t classes, float* f, const float* labels,
                    const float* bias, const float* class_weight, double* loss_sum, double* slope_sum);

/// Softmax with few candidates: lane m * stride + k, stride = padded(classes).
void softmax_along(std::int64_t n, std::int64_t models, std::int64_t classes, float* f, const float* labels,
                   const float* bias, const float* class_weight, double* loss_sum, double* slope_sum);

/// out[i] = x[i, :] . w     x [n, stride], stride a multiple of kPad with zeros in the padding
void dot_rows(std::int64_t n, const float* x, std::int64_t stride, const float* w, float* out);
/// w[:] += sum_i factor[i] x[i, :]
void add_rows(std::int64_t n, const float* x, std::int64_t stride, const float* factor, float* w);

/// One sparse row or column times a vector.
float sparse_dot(std::int64_t n, const std::int32_t* index, const float* values, const float* vector);

/// Scores [n, width] with their biases added, turned around: to[m * stride + i] is row i of lane m, m < models.
/// @param as_probability  1 / (1 + e^-f) instead of f
void score_columns(std::int64_t n, std::int64_t width, const float* f, const float* bias, std::int64_t models,
                   bool as_probability, float* to, std::int64_t stride);

}  // namespace clary::linear_learner::kernels
