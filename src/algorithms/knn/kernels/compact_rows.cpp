// SPDX-License-Identifier: Apache-2.0
// See compact_rows.h.
#include "algorithms/knn/kernels/compact_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace clary::knn {
namespace {

// A query's weight is 128 * high + low, both signed bytes, as the dot-product instruction takes them.
constexpr int kLargestWeight = 127 * 128 + 63;  // high in [-127, 127], low in [-64, 63]
constexpr double kFloatUnit = 0x1p-24;
// Below the first, float32 would lose bits of the weights' unit; the second is far above what underflow can hide.
constexpr double kSmallestUnit = 1e-30;
constexpr double kUnderflow = 1e-34;
constexpr std::int64_t kBlocksPerUnit = 256;

}  // namespace

CompactRows::CompactRows(std::int64_t count, std::int64_t width)
    : width_(width), groups_((width + 3) / 4), blocks_((count + kBlockRows - 1) / kBlockRows) {
  origin_.resize(static_cast<std::size_t>(width));
  step_.resize(static_cast<std::size_t>(width));
  codes_.resize(static_cast<std::size_t>(blocks_ * groups_ * 64));
  // Absent rows of the last block: no estimate is <= a limit when the norm is infinite (0 * inf is NaN, also no match).
  norms_.assign(static_cast<std::size_t>(blocks_ * kBlockRows), std::numeric_limits<float>::infinity());
  errors_.assign(static_cast<std::size_t>(blocks_ * kBlockRows), 0.0F);
}

std::optional<CompactRows> CompactRows::make(const float* rows, std::int64_t count, std::int64_t width,
                                             numeric::Team& pool) {
  // The sums of products must fit in int32: kMaxWidth * 255 * 127 does.
  if (kernels().scan == nullptr || width < 1 || width > kMaxWidth || count < 1) return std::nullopt;
  CompactRows copy(count, width);
  const auto columns = static_cast<std::size_t>(width);
  std::vector<float> low(rows, rows + width), high(rows, rows + width);
  for (std::int64_t r = 0; r < count; ++r) {
    const float* row = rows + r * width;
    float odd = 0;
    for (std::size_t j = 0; j < columns; ++j) {
      low[j] = std::min(low[j], row[j]);
      high[j] = std::max(high[j], row[j]);
      // One multiply-add per value instead of a classification; the sum is 0 exactly when all are finite.
      odd += row[j] * 0.0F;  // NaN for NaN and for infinity
    }
    if (odd != 0.0F) return std::nullopt;
  }
  for (std::size_t j = 0; j < columns; ++j) {
    if (std::max(std::abs(low[j]), std::abs(high[j])) > kMaxMagnitude) return std::nullopt;
    // x_j = origin_j + step_j * code_j + miss_j with code_j in 0 to 255 (uniform scalar quantisation per column).
    copy.origin_[j] = low[j];
    copy.step_[j] = (high[j] - low[j]) / 255.0F;
  }
  pool.run_units((copy.blocks_ + kBlocksPerUnit - 1) / kBlocksPerUnit, [&](std::int64_t unit) {
    const std::int64_t end = std::min(copy.blocks_, (unit + 1) * kBlocksPerUnit);
    for (std::int64_t b = unit * kBlocksPerUnit; b < end; ++b) copy.encode_block(rows, count, b);
  });
  for (std::int64_t r = 0; r < count; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const double norm = std::sqrt(static_cast<double>(copy.norms_[i]));
    copy.largest_norm_ = std::max(copy.largest_norm_, norm);
    double origin = 0;
    if (r == 0) {
      for (const float o : copy.origin_) origin += static_cast<double>(o) * o;
      copy.largest_row_ = std::sqrt(origin);
    }
  }
  // ||x|| <= ||origin|| + ||step * code|| + e for every row.
  copy.largest_row_ += copy.largest_norm_ + *std::max_element(copy.errors_.begin(), copy.errors_.end());
  return copy;
}

void CompactRows::encode_block(const float* rows, std::int64_t count, std::int64_t block) {
  for (int r = 0; r < kBlockRows; ++r) {
    const std::int64_t row = block * kBlockRows + r;
    if (row >= count) return;
    const float* x = rows + row * width_;
    std::uint8_t* codes = codes_.data() + block * groups_ * 64 + 4 * r;
    // norm: ||step * code||^2. error: ||miss||, the distance from the row to what its code says, rounded up.
    double norm = 0, error = 0;
    for (std::int64_t j = 0; j < width_; ++j) {
      const auto column = static_cast<std::size_t>(j);
      const float step = step_[column];
      const float offset = x[j] - origin_[column];
      // +0.5 and truncation round to the nearest; the clamp covers the rounding of step at the upper end.
      const float code = step > 0 ? std::clamp(offset / step + 0.5F, 0.0F, 255.0F) : 0.0F;
      const auto rounded = static_cast<std::uint8_t>(code);
      // Layout: a block holds 16 rows; per group of 4 columns, 4 bytes of each row in turn, 64 bytes = one register.
      codes[64 * (j / 4) + j % 4] = rounded;
      const double part = static_cast<double>(step) * rounded;
      const double miss = static_cast<double>(x[j]) - origin_[column] - part;
      norm += part * part;
      error += miss * miss;
    }
    const auto i = static_cast<std::size_t>(row);
    norms_[i] = static_cast<float>(norm);
    errors_[i] = static_cast<float>(std::sqrt(error) * (1 + 4 * kFloatUnit));
  }
}

// For the query q the estimate of a row is base + norm_weight * norm - scale * dot(weights, code), where the row is
// taken for its code: ||q - origin - step*code||^2 = ||q - origin||^2 + ||step*code||^2 - 2 (q - origin).(step*code),
// or -q.(origin + step*code).
CompactRows::Query CompactRows::prepare(const float* query, bool l2) const {
  Query out;
  out.l2_ = l2;
  out.width_ = width_;
  std::vector<double> weights(static_cast<std::size_t>(width_));
  double base = 0, norm = 0, largest = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    const double q = query[j];
    norm += q * q;
    const double shifted = l2 ? q - origin_[j] : q;
    base += l2 ? shifted * shifted : -q * origin_[j];
    weights[j] = shifted * step_[j];
    largest = std::max(largest, std::abs(weights[j]));
  }
  out.norm_ = std::sqrt(norm);
  // Written so that NaN fails too. Unusable queries are searched by the plain scan.
  if (!(out.norm_ <= kMaxMagnitude)) return out;

  const std::size_t padded = static_cast<std::size_t>(groups_ * 4);
  out.weights_.assign(2 * padded, 0);
  const double unit = largest > 0 ? largest / kLargestWeight : 1.0;
  if (unit < kSmallestUnit) return out;
  double rounding = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    const int whole = static_cast<int>(std::lround(weights[j] / unit));
    // The nearest multiple of 128; what is left is in [-64, 63].
    const int high = std::clamp((whole + 64) >> 7, -127, 127);
    out.weights_[j] = static_cast<std::int8_t>(high);
    out.weights_[padded + j] = static_cast<std::int8_t>(whole - 128 * high);
    rounding += std::abs(weights[j] - unit * whole);
  }
  const double factor = l2 ? 2.0 : 1.0;
  // The largest terms the float32 estimate is summed from; each of its few operations errs by at most a unit of them.
  const double dot = largest_norm_ * (l2 ? std::sqrt(base) : out.norm_) + 255 * rounding +
                     64.0 * 255 * static_cast<double>(width_) * unit;  // the last: `low` may cancel part of `high`
  const double terms = std::abs(base) + (l2 ? largest_norm_ * largest_norm_ : 0.0) + 2 * factor * dot;
  out.slack_ = factor * 255 * rounding + 32 * kFloatUnit * terms + kUnderflow;
  // The exact inner product errs by at most width * unit * ||q|| ||x||; the exact squared L2 is relative, see
  // limited().
  if (!l2) out.slack_ += static_cast<double>(width_ + 8) * kFloatUnit * out.norm_ * largest_row_;

  out.code_.high = out.weights_.data();
  out.code_.low = out.weights_.data() + padded;
  out.code_.base = static_cast<float>(base);
  out.code_.norm_weight = l2 ? 1.0F : 0.0F;
  out.code_.scale = static_cast<float>(factor * unit);
  out.usable = true;
  return out;
}

// A row can be ruled out when its estimate exceeds the limit. With e = ||miss|| and w the worst cost kept: the true
// distance d and the estimated d' differ by at most e (triangle inequality), so d^2 <= w implies d'^2 <= (sqrt(w) +
// e)^2 = w + 2 sqrt(w) e + e^2. For inner products the difference is at most ||q|| e (Cauchy-Schwarz).
CodeQuery CompactRows::Query::limited(float worst) const {
  CodeQuery code = code_;
  constexpr double kEverything = 1e38;
  // Fewer than k rows kept so far: every row passes.
  if (!(worst < 1e37F)) {
    code.limit = static_cast<float>(kEverything);
    code.limit_slope = code.limit_curve = 0;
    return code;
  }
  // A little up, since the limit itself is rounded to float32 and computed with two multiply-adds.
  const auto up = [](double value) { return static_cast<float>(value + 8 * kFloatUnit * std::abs(value)); };
  if (l2_) {
    const double widened = worst * (1 + 2 * static_cast<double>(width_ + 8) * kFloatUnit) + kUnderflow;
    code.limit = up(widened + slack_);
    code.limit_slope = up(2 * std::sqrt(widened));
    code.limit_curve = 1 + 0x1p-20F;
  } else {
    code.limit = up(worst + slack_);
    code.limit_slope = up(norm_);
    code.limit_curve = 0;
  }
  return code;
}

CodeBlocks CompactRows::blocks_from(std::int64_t block) const {
  return {codes_.data() + block * groups_ * 64, norms_.data() + block * kBlockRows, errors_.data() + block * kBlockRows,
          groups_};
}

std::uint64_t CompactRows::bytes() const noexcept {
  return codes_.size() + (norms_.size() + errors_.size()) * sizeof(float);
}

}  // namespace clary::knn
