// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/objective.h"

#include <algorithm>
#include <cstddef>

#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

}  // namespace

Parameters::Parameters(const Lanes& lanes, std::int64_t features)
    : weight(at(lanes.weight_size(features)), 0.0f), bias(at(lanes.bias_size()), 0.0f) {}

// From lanes (models side by side) to one model's [D, K].
void take_model(const Parameters& from, const Lanes& lanes, std::int64_t features, std::int64_t model,
                std::vector<float>& weight, std::vector<float>& bias) {
  const std::int64_t k_count = lanes.outputs, width = lanes.width();
  weight.resize(at(features * k_count)), bias.resize(at(k_count));
  for (std::int64_t k = 0; k < k_count; ++k) {
    const std::int64_t lane = lanes.at(model, k);
    for (std::int64_t j = 0; j < features; ++j) weight[at(j * k_count + k)] = from.weight[at(j * width + lane)];
    bias[at(k)] = from.bias[at(lane)];
  }
}

void put_model(Parameters& to, const Lanes& lanes, std::int64_t features, std::int64_t model,
               std::span<const float> weight, std::span<const float> bias) {
  const std::int64_t k_count = lanes.outputs, width = lanes.width();
  for (std::int64_t k = 0; k < k_count; ++k) {
    const std::int64_t lane = lanes.at(model, k);
    for (std::int64_t j = 0; j < features; ++j) to.weight[at(j * width + lane)] = weight[at(j * k_count + k)];
    to.bias[at(lane)] = bias[at(k)];
  }
}

kernels::LossRule loss_rule(const Hyperparameters& hp) {
  kernels::LossRule rule{hp.resolved_loss(), 0};
  switch (rule.loss) {
    case Loss::kHinge:
      rule.knob = static_cast<float>(hp.margin);
      break;
    case Loss::kQuantile:
      rule.knob = static_cast<float>(hp.quantile);
      break;
    case Loss::kHuber:
      rule.knob = static_cast<float>(hp.huber_delta);
      break;
    case Loss::kEpsInsensitiveSquared:
    case Loss::kEpsInsensitiveAbsolute:
      rule.knob = static_cast<float>(hp.loss_insensitivity);
      break;
    default:
      break;
  }
  return rule;
}

// One of these for each slice: it owns the threads' gradients, sums and tiles. Not thread-safe; it uses the team by
// itself.
Objective::Objective(const Lanes& lanes, std::int64_t features, kernels::LossRule rule, LossWeights weights, Team& team)
    : lanes_(lanes),
      features_(features),
      rule_(rule),
      class_weight_(std::move(weights.of_class)),
      positive_(at(lanes.bias_size()), 1.0f),
      team_(team),
      bias_(at(lanes.bias_size()), 0.0f),
      tiles_(at(team.size()), Floats(at(kTile * lanes.width()), 0.0f)) {
  if (lanes.outputs == 1) std::copy(weights.of_positive.begin(), weights.of_positive.end(), positive_.begin());
  total_ = {std::vector<double>(at(lanes.padded_models())), std::vector<double>(at(lanes.bias_size()))};
  sums_.assign(at(team.size()), total_);
}

// Sparse rows cannot be centred without becoming dense: the shift z = x / scale - shift goes into the bias, and its
// part of the gradient is subtracted after the pass.
void Objective::set_shift(const Scaler& scaler) {
  shifted_ = scaler.shifted();
  shift_.clear();
  for (const std::int32_t j : shifted_) shift_.push_back(static_cast<float>(scaler.shift[at(j)] / scaler.scale[at(j)]));
}

// Allocated at the first use: evaluation needs none.
const std::vector<float*>& Objective::gradients() {
  while (gradients_.size() < at(team_.size())) {
    gradients_.emplace_back(at(lanes_.weight_size(features_)), 0.0f);
    gradient_blocks_.push_back(gradients_.back().data());
  }
  return gradient_blocks_;
}

void Objective::shift_bias(const Parameters& p, bool sparse) {
  std::copy(p.bias.begin(), p.bias.end(), bias_.begin());
  if (!sparse) return;
  const std::int64_t width = lanes_.width();
  for (std::size_t i = 0; i < shifted_.size(); ++i) {
    const float* w = p.weight.data() + shifted_[i] * width;
    for (std::int64_t c = 0; c < width; ++c) bias_[at(c)] -= shift_[i] * w[c];
  }
}

void Objective::raw_scores(const Rows& rows, std::int64_t begin, std::int64_t end, const Parameters& p,
                           float* out) const {
  const std::int64_t width = lanes_.width();
  if (!rows.sparse) {
    if (lanes_.single()) return kernels::dot_rows(end - begin, rows.row(begin), rows.stride, p.weight.data(), out);
    return numeric::gemm_nn(end - begin, width, features_, rows.row(begin), rows.stride, p.weight.data(), width, out,
                            width, false);
  }
  for (std::int64_t r = begin; r < end; ++r, out += width) {
    const std::int64_t first = rows.offsets[at(r)], count = rows.offsets[at(r) + 1] - first;
    const std::int32_t* columns = rows.columns.data() + first;
    const float* values = rows.values.data() + first;
    if (lanes_.single()) {
      *out = kernels::sparse_dot(count, columns, values, p.weight.data());
    } else {
      numeric::gather_sum(count, columns, values, p.weight.data(), width, width, nullptr, out);
    }
  }
}

// Scores are replaced by slopes in place: one tile of memory a thread.
void Objective::turn_into_slopes(std::int64_t n, float* scores, const float* labels, Sums& sums) const {
  const float* class_weight = class_weight_.empty() ? nullptr : class_weight_.data();
  switch (lanes_.form) {
    case Lanes::Form::kSingle:
      return kernels::single_loss(rule_, n, scores, labels, bias_[0], positive_[0], sums.loss.data(),
                                  sums.slope.data());
    case Lanes::Form::kScalars:
      return kernels::scalar_loss(rule_, n, lanes_.width(), scores, labels, bias_.data(), positive_.data(),
                                  sums.loss.data(), sums.slope.data());
    case Lanes::Form::kAcross:
      return kernels::softmax_across(n, lanes_.padded_models(), lanes_.outputs, scores, labels, bias_.data(),
                                     class_weight, sums.loss.data(), sums.slope.data());
    case Lanes::Form::kAlong:
      return kernels::softmax_along(n, lanes_.models, lanes_.outputs, scores, labels, bias_.data(), class_weight,
                                    sums.loss.data(), sums.slope.data());
  }
}

void Objective::add_gradient(const Rows& rows, std::int64_t begin, std::int64_t end, const float* slopes,
                             float* gradient) const {
  const std::int64_t width = lanes_.width();
  if (!rows.sparse) {
    if (lanes_.single()) return kernels::add_rows(end - begin, rows.row(begin), rows.stride, slopes, gradient);
    return numeric::gemm_tn_add(end - begin, width, features_, rows.row(begin), rows.stride, slopes, width, gradient,
                                width);
  }
  for (std::int64_t r = begin; r < end; ++r, slopes += width) {
    for (std::int64_t i = rows.offsets[at(r)]; i < rows.offsets[at(r) + 1]; ++i) {
      const float x = rows.values[at(i)];
      float* to = gradient + rows.columns[at(i)] * width;
      for (std::int64_t c = 0; c < width; ++c) to[c] += x * slopes[c];
    }
  }
}

// In the order of threads: the same sum in every run.
const Objective::Sums& Objective::total() {
  std::fill(total_.loss.begin(), total_.loss.end(), 0.0);
  std::fill(total_.slope.begin(), total_.slope.end(), 0.0);
  for (Sums& s : sums_) {
    for (std::size_t i = 0; i < s.loss.size(); ++i) total_.loss[i] += std::exchange(s.loss[i], 0.0);
    for (std::size_t i = 0; i < s.slope.size(); ++i) total_.slope[i] += std::exchange(s.slope[i], 0.0);
  }
  return total_;
}

const Objective::Sums& Objective::loss_and_gradient(const Rows& rows, std::int64_t begin, std::int64_t end,
                                                    const Parameters& p) {
  shift_bias(p, rows.sparse);
  const std::vector<float*>& gradient = gradients();
  team_.run([&](int t) {
    const auto [from, to] = numeric::share(end - begin, t, team_.size(), numeric::kPad);
    // Tiles of rows whose scores and slopes stay in the cache between the three passes over them.
    for (std::int64_t r = begin + from; r < begin + to; r += kTile) {
      const std::int64_t last = std::min(r + kTile, begin + to);
      raw_scores(rows, r, last, p, tile(t));
      turn_into_slopes(last - r, tile(t), rows.labels.data() + r, sums_[at(t)]);
      add_gradient(rows, r, last, tile(t), gradient[at(t)]);
    }
  });
  const Sums& sums = total();
  if (rows.sparse) {
    const std::int64_t width = lanes_.width();
    for (std::size_t i = 0; i < shifted_.size(); ++i) {
      float* to = gradient[0] + shifted_[i] * width;
      for (std::int64_t c = 0; c < width; ++c) to[c] -= shift_[i] * static_cast<float>(sums.slope[at(c)]);
    }
  }
  return sums;
}

const Objective::Sums& Objective::loss_and_slopes(const Rows& rows, std::int64_t begin, std::int64_t end,
                                                  const Parameters& p) {
  shift_bias(p, rows.sparse);
  const std::int64_t width = lanes_.width();
  slopes_.resize(std::max(slopes_.size(), at((end - begin) * width)));
  team_.run([&](int t) {
    const auto [from, to] = numeric::share(end - begin, t, team_.size(), numeric::kPad);
    if (from == to) return;
    float* out = slopes_.data() + from * width;
    raw_scores(rows, begin + from, begin + to, p, out);
    turn_into_slopes(to - from, out, rows.labels.data() + begin + from, sums_[at(t)]);
  });
  return total();
}

const Objective::Sums& Objective::evaluate(const Rows& rows, const float* labels, const Parameters& p, float factor,
                                           float offset, float* columns, std::int64_t stride) {
  // The score on the label's own scale: factor * (x w + b) + offset.
  shift_bias(p, rows.sparse);
  for (float& b : bias_) b = factor * b + offset;
  const std::int64_t width = lanes_.width();
  team_.run([&](int t) {
    const auto [from, to] = numeric::share(rows.rows, t, team_.size(), numeric::kPad);
    for (std::int64_t r = from; r < to; r += kTile) {
      const std::int64_t n = std::min(kTile, to - r);
      float* f = tile(t);
      raw_scores(rows, r, r + n, p, f);
      if (factor != 1) {
        for (std::int64_t i = 0; i < n * width; ++i) f[i] *= factor;
      }
      if (columns != nullptr) {
        kernels::score_columns(n, width, f, bias_.data(), lanes_.models, rule_.loss == Loss::kLogistic, columns + r,
                               stride);
      }
      turn_into_slopes(n, f, labels + r, sums_[at(t)]);
    }
  });
  return total();
}

std::vector<float> Objective::scores(const Rows& rows, const Parameters& p, float factor, float offset) {
  shift_bias(p, rows.sparse);
  const std::int64_t width = lanes_.width(), k_count = lanes_.outputs;
  std::vector<float> out(at(rows.rows * k_count));
  team_.run([&](int t) {
    const auto [from, to] = numeric::share(rows.rows, t, team_.size(), numeric::kPad);
    for (std::int64_t r = from; r < to; r += kTile) {
      const std::int64_t n = std::min(kTile, to - r);
      raw_scores(rows, r, r + n, p, tile(t));
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t k = 0; k < k_count; ++k) {
          out[at((r + i) * k_count + k)] = factor * (tile(t)[i * width + k] + bias_[at(k)]) + offset;
        }
      }
    }
  });
  return out;
}

}  // namespace clary::linear_learner
