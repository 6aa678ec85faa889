// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "learning/nn/predictor.h"
#include "learning/numeric/index.h"

namespace clary::nn {
namespace {

using numeric::at;

double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

/// log(1 + e^z) without overflow.
double softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }

std::size_t class_of(float label, std::int64_t classes) {
  if (!(label >= 0) || label >= static_cast<float>(classes) || label != std::floor(label))
    throw Error(Kind::kInvalid,
                fmt::format("label {} is none of the {} classes (0 to {})", label, classes, classes - 1));
  return static_cast<std::size_t>(label);
}

/// log of the sum of e^z over a row.
double log_sum_exp(std::span<const float> z) {
  const double most = std::ranges::max(z);
  double sum = 0;
  for (const float v : z) sum += std::exp(v - most);
  return most + std::log(sum);
}

double softmax_row(std::span<const float> z, float label, float scale, std::span<float> gradient) {
  const std::size_t target = class_of(label, static_cast<std::int64_t>(z.size()));
  const double normalizer = log_sum_exp(z);
  for (std::size_t c = 0; c < gradient.size(); ++c)
    gradient[c] = static_cast<float>(scale * (std::exp(z[c] - normalizer) - (c == target ? 1 : 0)));
  return normalizer - z[target];
}

double logistic_row(const PictureBatch& batch, std::span<const float> z, std::span<const float> labels, float scale,
                    std::span<float> gradient) {
  double sum = 0;
  const auto classes = static_cast<double>(z.size());
  for (std::size_t c = 0; c < z.size(); ++c) {
    const float y = labels[c];
    if (y != 0 && y != 1) throw Error(Kind::kInvalid, fmt::format("label {} of class {} is neither 0 nor 1", y, c));
    const auto& weights = y == 1 ? batch.positive_weights : batch.negative_weights;
    const double w = weights.empty() ? 1 : weights[c];
    sum += w * softplus(y == 1 ? -z[c] : z[c]);
    if (!gradient.empty()) gradient[c] = static_cast<float>(scale * w * (sigmoid(z[c]) - y) / classes);
  }
  return sum / classes;
}

}  // namespace

double loss_and_gradient(Loss loss, std::int64_t classes, const PictureBatch& batch, std::span<const float> logits,
                         float scale, std::span<float> gradient) {
  double total = 0;
  const std::size_t width = at(classes);
  for (std::size_t n = 0; n < at(batch.pictures); ++n) {
    const auto z = logits.subspan(n * width, width);
    const auto g = gradient.empty() ? gradient : gradient.subspan(n * width, width);
    total += loss == Loss::kSoftmax ? softmax_row(z, batch.labels[n], scale, g)
                                    : logistic_row(batch, z, batch.labels.subspan(n * width, width), scale, g);
  }
  return total;
}

void to_probabilities(Loss loss, std::int64_t classes, std::span<float> logits) {
  const std::size_t width = at(classes);
  for (std::size_t start = 0; start + width <= logits.size(); start += width) {
    const auto row = logits.subspan(start, width);
    const double normalizer = loss == Loss::kSoftmax ? log_sum_exp(row) : 0;
    for (float& z : row) z = static_cast<float>(loss == Loss::kSoftmax ? std::exp(z - normalizer) : sigmoid(z));
  }
}

}  // namespace clary::nn
