// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>

namespace clary::linear_learner {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

struct Pair {
  Vector step, change;  // of x and of the gradient
  double curvature = 0;
};

double penalty(const Vector& x, std::span<const double> l1) {
  double sum = 0;
  for (std::size_t i = 0; i < l1.size(); ++i) sum += l1[i] * std::abs(x[i]);
  return sum;
}

/// Gradient of f + penalty; at zero the subgradient of least size.
/// OWL-QN (Andrew & Gao, ICML 2007) for l1; without l1 plain L-BFGS (Nocedal & Wright, "Numerical Optimization",
/// algorithms 7.4 and 7.5). x, gradients and steps in float64.
Vector pseudo_gradient(const Vector& x, const Vector& gradient, std::span<const double> l1) {
  Vector out = gradient;
  for (std::size_t i = 0; i < l1.size(); ++i) {
    if (x[i] != 0) {
      out[i] += x[i] > 0 ? l1[i] : -l1[i];
    } else {
      out[i] = gradient[i] > l1[i] ? gradient[i] - l1[i] : gradient[i] < -l1[i] ? gradient[i] + l1[i] : 0;
    }
  }
  return out;
}

/// -H gradient by the two-loop recursion.
/// H is the approximation of the inverse Hessian by the pairs s_i, y_i, newest last.
Vector direction(const std::deque<Pair>& pairs, const Vector& gradient) {
  Vector q = gradient;
  Vector alpha(pairs.size());
  for (std::size_t i = pairs.size(); i-- > 0;) {
    alpha[i] = dot(pairs[i].step, q) / pairs[i].curvature;
    for (std::size_t j = 0; j < q.size(); ++j) q[j] -= alpha[i] * pairs[i].change[j];
  }
  if (!pairs.empty()) {
    // The initial H0 = (s y / y y) I, with the newest pair.
    const double scale = pairs.back().curvature / dot(pairs.back().change, pairs.back().change);
    for (double& v : q) v *= scale;
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const double beta = dot(pairs[i].change, q) / pairs[i].curvature;
    for (std::size_t j = 0; j < q.size(); ++j) q[j] += (alpha[i] - beta) * pairs[i].step[j];
  }
  for (double& v : q) v = -v;
  return q;
}

}  // namespace

double minimise(const std::function<double(const Vector&, Vector&)>& f, Vector& x, const MinimiserOptions& options,
                const std::function<bool()>& stop) {
  Vector gradient(x.size()), next_gradient(x.size()), next(x.size());
  double value = f(x, gradient) + penalty(x, options.l1);
  std::deque<Pair> pairs;
  int idle = 0;
  for (int iteration = 0; iteration < options.iterations && !stop(); ++iteration) {
    const Vector slope = pseudo_gradient(x, gradient, options.l1);
    double largest = 0;
    for (const double g : slope) largest = std::max(largest, std::abs(g));
    if (!(largest > options.tolerance * std::max(1.0, std::abs(value)))) break;
    // OWL-QN: components of the direction that disagree with the pseudo-gradient are dropped.
    Vector d = direction(pairs, slope);
    if (!options.l1.empty()) {
      for (std::size_t i = 0; i < options.l1.size(); ++i) {
        if (options.l1[i] > 0 && d[i] * slope[i] > 0) d[i] = 0;
      }
    }
    double descent = dot(d, slope);
    // The direction must descend; if not, the steepest descent is taken.
    if (!(descent < 0)) {  // rounding has spoilt the memory
      pairs.clear();
      for (std::size_t i = 0; i < d.size(); ++i) d[i] = -slope[i];
      descent = dot(d, slope);
    }
    // Without pairs the direction has no scale: at most a step of length 1.
    double length = pairs.empty() ? std::min(1.0, 1 / std::sqrt(-descent)) : 1;
    double next_value = value;
    bool accepted = false;
    // Backtracking until Armijo's condition holds (c1 = 1e-4).
    for (int trial = 0; trial < 30 && !accepted; ++trial, length *= 0.5) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        next[i] = x[i] + length * d[i];
        if (i < options.l1.size() && options.l1[i] > 0) {  // stay in the orthant of this step
          const double side = x[i] != 0 ? x[i] : -slope[i];
          if (next[i] * side < 0) next[i] = 0;
        }
      }
      next_value = f(next, next_gradient) + penalty(next, options.l1);
      accepted = next_value <= value + 1e-4 * length * descent;
    }
    if (!accepted) {
      // Not even steepest descent helps: this is the minimum, to rounding.
      if (pairs.empty()) break;
      pairs.clear();
      continue;
    }
    Pair p{Vector(x.size()), Vector(x.size()), 0};
    for (std::size_t i = 0; i < x.size(); ++i) {
      p.step[i] = next[i] - x[i];
      p.change[i] = next_gradient[i] - gradient[i];
    }
    p.curvature = dot(p.step, p.change);
    // Only pairs of positive curvature keep H positive definite.
    if (p.curvature > 1e-12 * dot(p.change, p.change)) {
      pairs.push_back(std::move(p));
      if (static_cast<int>(pairs.size()) > options.memory) pairs.pop_front();
    }
    idle = value - next_value < options.relative_change * std::max(1e-12, std::abs(value)) ? idle + 1 : 0;
    x.swap(next);
    gradient.swap(next_gradient);
    value = next_value;
    // Twice in a row: one small step may be bad luck of the line search.
    if (idle >= 2) break;
  }
  return value;
}

}  // namespace clary::linear_learner
