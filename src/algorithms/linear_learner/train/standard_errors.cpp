// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/standard_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "algorithms/linear_learner/evaluate/link.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

constexpr std::int64_t kMostFeatures = 1000;
constexpr double kMostWork = 2e10;        // N D^2 multiply-adds of all hosts: about a second
constexpr std::int64_t kBlockRows = 256;  // added up in float32, then in double
constexpr double kAliased = 1e-6;         // a pivot that lost all but this part is rounding: float32 sums

using numeric::at;

/// Symmetric [n, n], lower triangle used.
struct Square {
  std::int64_t n = 0;
  std::vector<double> values;
  double& operator()(std::int64_t row, std::int64_t column) { return values[at(row * n + column)]; }
};

/// Row r of z and a 1 behind it, times `factor`. @param out  zeros before and behind
void write_row(const Rows& rows, std::int64_t r, float factor, float* out) {
  if (rows.sparse) {
    for (auto i = at(rows.offsets[at(r)]); i < at(rows.offsets[at(r) + 1]); ++i)
      out[rows.columns[i]] = rows.values[i] * factor;
  } else {
    for (std::int64_t d = 0; d < rows.features; ++d) out[d] = rows.row(r)[d] * factor;
  }
  out[rows.features] = factor;
}

/// sum_i c_i (z_i, 1)(z_i, 1)^T
/// The Fisher information of a generalised linear model; its inverse's diagonal are the variances.
template <class Curvature>
Square information(const Rows& rows, Curvature curvature) {
  Square sum{rows.features + 1, std::vector<double>(at((rows.features + 1) * (rows.features + 1)))};
  const std::int64_t stride = numeric::padded(sum.n);
  numeric::Floats block(at(kBlockRows * stride)), product(at(sum.n * stride));
  for (std::int64_t first = 0; first < rows.rows; first += kBlockRows) {
    const std::int64_t count = std::min(kBlockRows, rows.rows - first);
    std::fill(block.begin(), block.end(), 0.0f);
    std::fill(product.begin(), product.end(), 0.0f);
    for (std::int64_t r = 0; r < count; ++r)
      // sqrt(c) z as a row: the product of the block with itself is the sum.
      write_row(rows, first + r, std::sqrt(curvature(at(first + r))), block.data() + r * stride);
    numeric::gemm_tn_add(count, stride, sum.n, block.data(), stride, block.data(), stride, product.data(), stride);
    for (std::int64_t i = 0; i < sum.n; ++i)
      for (std::int64_t j = 0; j <= i; ++j) sum(i, j) += product[at(i * stride + j)];
  }
  return sum;
}

/// In place: the Cholesky factor L. Rows that add nothing to those before them get a zero pivot.
void factorize(Square& a) {
  for (std::int64_t j = 0; j < a.n; ++j) {
    const double before = a(j, j);
    for (std::int64_t k = 0; k < j; ++k) a(j, j) -= a(j, k) * a(j, k);
    const bool aliased = !(a(j, j) > kAliased * before) || before <= 0;
    a(j, j) = aliased ? 0 : std::sqrt(a(j, j));
    for (std::int64_t i = j + 1; i < a.n; ++i) {
      for (std::int64_t k = 0; k < j; ++k) a(i, j) -= a(i, k) * a(j, k);
      a(i, j) = aliased ? 0 : a(i, j) / a(j, j);
    }
  }
}

/// g^T A^-1 g = |L^-1 g|^2
double quadratic(Square& l, std::vector<double> g) {
  double sum = 0;
  for (std::int64_t i = 0; i < l.n; ++i) {
    if (l(i, i) == 0) continue;
    for (std::int64_t k = 0; k < i; ++k) g[at(i)] -= l(i, k) * g[at(k)];
    g[at(i)] /= l(i, i);
    sum += g[at(i)] * g[at(i)];
  }
  return sum;
}

/// g^T A^-1 g for the unit vector of j: only what follows j takes part.
double diagonal_of_inverse(Square& l, std::int64_t j, std::vector<double>& scratch) {
  std::fill(scratch.begin(), scratch.end(), 0.0);
  double sum = 0;
  scratch[at(j)] = 1;
  for (std::int64_t i = j; i < l.n; ++i) {
    if (l(i, i) == 0) {
      scratch[at(i)] = 0;
      continue;
    }
    for (std::int64_t k = j; k < i; ++k) scratch[at(i)] -= l(i, k) * scratch[at(k)];
    scratch[at(i)] /= l(i, i);
    sum += scratch[at(i)] * scratch[at(i)];
  }
  return sum;
}

bool can_be_computed(const Hyperparameters& hp, std::int64_t features, double rows_everywhere) {
  if (hp.resolved_loss() != Loss::kLogistic && hp.resolved_loss() != Loss::kSquared) return false;
  const double width = static_cast<double>(features + 1);
  return features <= kMostFeatures && rows_everywhere > 0 && rows_everywhere * width * width <= kMostWork;
}

}  // namespace

StandardErrors standard_errors(const Hyperparameters& hp, const Rows& rows, const Scaler& scaler,
                               std::span<const float> f, std::span<const float> labels, double wd,
                               double positive_weight, collective::Collective& hosts) {
  double rows_everywhere = static_cast<double>(rows.rows);
  hosts.all_reduce_sum(std::span(&rows_everywhere, 1));
  const std::int64_t features = scaler.features();
  if (!can_be_computed(hp, features, rows_everywhere)) return {};
  const bool logistic = hp.resolved_loss() == Loss::kLogistic;
  Square a = information(rows, [&](std::size_t i) {
    if (!logistic) return 1.0f;
    const float p = sigmoid(f[i]);
    return p * (1 - p) * (labels[i] > 0.5f ? static_cast<float>(positive_weight) : 1.0f);
  });
  double residuals = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) residuals += std::pow(static_cast<double>(f[i]) - labels[i], 2);
  hosts.all_reduce_sum(a.values);
  hosts.all_reduce_sum(std::span(&residuals, 1));
  if (!hp.use_bias) {
    for (std::int64_t j = 0; j < a.n; ++j) a(features, j) = 0;
  }
  const double penalty = rows_everywhere * (logistic ? wd : wd / 2);  // the squared loss has no 1/2
  for (std::int64_t d = 0; d < features; ++d) a(d, d) += a(d, d) > 0 ? penalty : 0;
  factorize(a);

  std::int64_t fitted = 0;
  for (std::int64_t j = 0; j < a.n; ++j) fitted += a(j, j) > 0;
  const double free = rows_everywhere - static_cast<double>(fitted);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double variance = logistic ? 1 : free > 0 ? residuals / free : nan;
  StandardErrors out;
  std::vector<double> scratch(at(a.n)), to_raw_bias(at(a.n));
  for (std::int64_t d = 0; d < features; ++d) {
    const double inverse = a(d, d) > 0 ? diagonal_of_inverse(a, d, scratch) : nan;
    out.weight.push_back(static_cast<float>(std::sqrt(variance * inverse) / scaler.scale[at(d)]));
    // b = b' - sum_d w'_d shift_d / scale_d; sparse rows were not shifted.
    if (!rows.sparse) to_raw_bias[at(d)] = -scaler.shift[at(d)] / scaler.scale[at(d)];
  }
  to_raw_bias[at(features)] = 1;
  if (hp.use_bias) out.bias = {static_cast<float>(std::sqrt(variance * quadratic(a, std::move(to_raw_bias))))};
  return out;
}

}  // namespace clary::linear_learner
