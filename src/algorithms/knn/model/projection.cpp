// SPDX-License-Identifier: Apache-2.0
// See projection.h.
#include "algorithms/knn/model/projection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "learning/numeric/philox.h"

namespace clary::knn {
namespace {

// Numbers are part of the file format: they select the random stream from which a stored seed draws again.
enum Stream : std::uint64_t { kSignMatrix = 1, kFjltSigns = 2, kFjltSample = 3 };
constexpr std::int64_t kRowsPerUnit = 64;

/// `count` values of +-scale by the bits of a stream.
std::vector<float> random_signs(std::uint64_t seed, Stream stream, std::int64_t count, float scale) {
  std::vector<float> out(static_cast<std::size_t>(count));
  numeric::PhiloxWords words{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    // A Philox block gives 128 bits, thus 128 signs. Counter-based: the matrix is the same on any machine.
    if (i % 128 == 0) words = numeric::philox(seed, stream, i / 128);
    out[i] = (words[i % 128 / 32] >> (i % 32) & 1U) != 0 ? scale : -scale;
  }
  return out;
}

/// out[c] = sum_j row[j] matrix[j, c] for the kTile columns from `first`: sums stay in registers.
/// Compiled for three kinds of CPU; not for sanitised builds, whose runtime is not ready when the resolver runs.
constexpr std::int64_t kTile = 64;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(CLARY_SANITIZED)
[[gnu::target_clones("arch=skylake-avx512", "arch=haswell", "default")]]
#endif
void multiply_tile(const float* row, std::int64_t inputs, const float* matrix, std::int64_t stride, float* out) {
  float sums[kTile] = {};
  for (std::int64_t j = 0; j < inputs; ++j) {
    const float x = row[j];
    const float* line = matrix + j * stride;
    for (std::int64_t c = 0; c < kTile; ++c) sums[c] += x * line[c];
  }
  for (std::int64_t c = 0; c < kTile; ++c) out[c] = sums[c];
}

// In place, unnormalised: x becomes H x with H_ij = (-1)^popcount(i & j), in n log n additions.
void walsh_hadamard(std::vector<float>& x) {
  for (std::size_t half = 1; half < x.size(); half *= 2) {
    for (std::size_t i = 0; i < x.size(); i += 2 * half) {
      for (std::size_t j = i; j < i + half; ++j) {
        const float a = x[j], b = x[j + half];
        x[j] = a + b;
        x[j + half] = a - b;
      }
    }
  }
}

}  // namespace

Projection::Projection(Reduction type, std::uint64_t seed, std::int64_t input, std::int64_t target)
    : type_(type), seed_(seed), input_(input), target_(target) {
  if (input < 1 || input > kMaxWidth || target < 1 || target > kMaxWidth) {
    throw Error(Kind::kInvalid, fmt::format("knn: dimension_reduction: {} to {} dimensions is outside 1 to {}", input,
                                            target, kMaxWidth));
  }
  // Rows of +-1/sqrt(target) keep expected squared lengths (Achlioptas 2003).
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(target)));
  if (type == Reduction::kSign) {
    if (input > kMaxMatrix / target) {
      throw Error(Kind::kInvalid, fmt::format("knn: dimension_reduction_type sign: {} x {} numbers exceed {}; use fjlt",
                                              input, target, kMaxMatrix));
    }
    matrix_ = random_signs(seed, kSignMatrix, input * target, scale);
    return;
  }
  // FJLT (Ailon and Chazelle 2009), here the subsampled randomised Hadamard transform: x -> P H D x. D is signs_, H the
  // Walsh-Hadamard transform of padded_ coordinates, P chooses `target` of them.
  padded_ = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(input)));
  if (target > padded_) {
    throw Error(Kind::kInvalid, fmt::format("knn: dimension_reduction_target {} exceeds {}, the next power of two of "
                                            "feature_dim {}, which fjlt cannot go beyond",
                                            target, padded_, input));
  }
  // Without H's factor 1/sqrt(padded) and P's sqrt(padded/target): their product is `scale`.
  signs_ = random_signs(seed, kFjltSigns, input, scale);
  std::vector<std::int64_t> all(static_cast<std::size_t>(padded_));
  std::iota(all.begin(), all.end(), 0);
  numeric::PhiloxStream random(seed, kFjltSample);
  // The first `target` steps of a Fisher-Yates shuffle: coordinates without repetition.
  for (std::size_t i = 0; i < static_cast<std::size_t>(target); ++i) {
    std::swap(all[i], all[i + random.below(all.size() - i)]);
  }
  chosen_.assign(all.begin(), all.begin() + target);
}

void Projection::apply(const float* rows, std::int64_t count, float* out, numeric::Team& pool) const {
  pool.run_units((count + kRowsPerUnit - 1) / kRowsPerUnit, [&](std::int64_t unit) {
    std::vector<float> scratch;
    const std::int64_t end = std::min(count, (unit + 1) * kRowsPerUnit);
    for (std::int64_t r = unit * kRowsPerUnit; r < end; ++r) {
      if (type_ == Reduction::kSign) {
        apply_sign(rows + r * input_, out + r * target_);
      } else {
        apply_fjlt(rows + r * input_, out + r * target_, scratch);
      }
    }
  });
}

void Projection::apply_sign(const float* row, float* out) const {
  std::int64_t c = 0;
  for (; c + kTile <= target_; c += kTile) multiply_tile(row, input_, matrix_.data() + c, target_, out + c);
  if (c == target_) return;
  // Columns behind the last whole tile.
  std::fill(out + c, out + target_, 0.0F);
  for (std::int64_t j = 0; j < input_; ++j) {
    const float* line = matrix_.data() + j * target_;
    for (std::int64_t i = c; i < target_; ++i) out[i] += row[j] * line[i];
  }
}

void Projection::apply_fjlt(const float* row, float* out, std::vector<float>& scratch) const {
  scratch.assign(static_cast<std::size_t>(padded_), 0.0F);
  for (std::size_t j = 0; j < signs_.size(); ++j) scratch[j] = row[j] * signs_[j];
  walsh_hadamard(scratch);
  for (std::size_t c = 0; c < chosen_.size(); ++c) out[c] = scratch[static_cast<std::size_t>(chosen_[c])];
}

}  // namespace clary::knn
