// SPDX-License-Identifier: Apache-2.0
// Limited-memory BFGS, and its orthant-wise form for an L1 penalty. Deterministic; all state is the caller's vectors,
// so hosts that see the same function take the same steps.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace clary::linear_learner {

struct MinimiserOptions {
  int iterations = 200;
  int memory = 12;
  double tolerance = 1e-5;        // on the gradient's largest entry over max(1, |f|)
  double relative_change = 1e-8;  // of f over an iteration; smaller twice in a row ends the search
  std::span<const double> l1;     // one factor an entry of x, or empty: f + sum_i l1_i |x_i| is minimised
};

/// Nocedal & Wright, "Numerical Optimization", algorithm 7.5, with backtracking; Andrew & Gao, "Scalable training of
/// L1-regularized log-linear models", ICML 2007, when l1 is given.
/// @param f  value at x; writes the gradient (without L1)
/// @param stop  asked before every iteration
/// @return the value reached; x holds the point
double minimise(
    const std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>& f, std::vector<double>& x,
    const MinimiserOptions& options, const std::function<bool()>& stop = [] { return false; });

}  // namespace clary::linear_learner
