// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/polish.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "algorithms/linear_learner/train/lbfgs.h"
#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

/// Multiply-adds that any polish may take (some tenths of a second), and what a sparse one or one of the solver's own
/// costs more.
constexpr double kFreeWork = 1e9, kSparseCost = 8;
constexpr int kFewestIterations = 10, kMostIterations = 200;
constexpr std::size_t kManyWeights = 20'000;

struct Range {
  std::int64_t begin, end;
};

/// x = weights [D, K], then biases [K], as the solver sees them.
/// f(x) = mean loss + decay / 2 |w|^2, summed over all hosts, which therefore see the same values and take the same
/// steps. Biases carry no penalty.
class Problem {
 public:
  Problem(const PolishTask& task, std::vector<Range> ranges)
      : task_(task), ranges_(std::move(ranges)), parameters_(task.objective->lanes(), task.objective->features()) {
    for (const Range& r : ranges_) total_ += r.end - r.begin;
    task_.hosts->all_reduce_sum(std::span<std::int64_t>(&total_, 1));
  }

  double operator()(const std::vector<double>& x, std::vector<double>& gradient) {
    set(x);
    double loss = sum(gradient);
    const double part = 1 / static_cast<double>(std::max<std::int64_t>(1, total_));
    const std::size_t weights = x.size() - at(task_.objective->lanes().outputs);
    double square = 0;
    for (std::size_t i = 0; i < weights; ++i) {
      square += x[i] * x[i];
      gradient[i] = gradient[i] * part + task_.decay * x[i];
    }
    for (std::size_t i = weights; i < x.size(); ++i) gradient[i] = task_.use_bias ? gradient[i] * part : 0;
    return loss * part + 0.5 * task_.decay * square;
  }

  /// The sum of losses alone.
  double loss(const std::vector<double>& x) {
    set(x);
    std::vector<double> unused(x.size());
    return sum(unused);
  }

 private:
  void set(const std::vector<double>& x) {
    const Lanes& lanes = task_.objective->lanes();
    const std::int64_t d = task_.objective->features(), k_count = lanes.outputs, width = lanes.width();
    for (std::int64_t j = 0; j < d; ++j) {
      for (std::int64_t k = 0; k < k_count; ++k) {
        parameters_.weight[at(j * width + k)] = static_cast<float>(x[at(j * k_count + k)]);
      }
    }
    for (std::int64_t k = 0; k < k_count; ++k) parameters_.bias[at(k)] = static_cast<float>(x[at(d * k_count + k)]);
  }

  /// Sums over all rows and hosts.
  double sum(std::vector<double>& gradient) {
    const Lanes& lanes = task_.objective->lanes();
    const std::int64_t d = task_.objective->features(), k_count = lanes.outputs, width = lanes.width();
    std::fill(gradient.begin(), gradient.end(), 0.0);
    double loss = 0;
    for (const Range& r : ranges_) {
      const Objective::Sums& sums = task_.objective->loss_and_gradient(*task_.rows, r.begin, r.end, parameters_);
      loss += sums.loss[0];
      for (std::int64_t k = 0; k < k_count; ++k) gradient[at(d * k_count + k)] += sums.slope[at(k)];
    }
    for (float* part : task_.objective->gradients()) {
      for (std::int64_t j = 0; j < d; ++j) {
        for (std::int64_t k = 0; k < k_count; ++k) {
          gradient[at(j * k_count + k)] += static_cast<double>(part[j * width + k]);
        }
      }
      std::fill(part, part + parameters_.weight.size(), 0.0f);
    }
    if (task_.hosts->size() > 1) {
      // The loss travels with the gradient: one reduction.
      gradient.push_back(loss);
      task_.hosts->all_reduce_sum(std::span<double>(gradient));
      loss = gradient.back();
      gradient.pop_back();
    }
    return loss;
  }

  const PolishTask& task_;
  std::vector<Range> ranges_;
  Parameters parameters_;
  std::int64_t total_ = 0;
};

// L-BFGS needs a smooth function: kinks are rounded off, less and less from stage to stage, each starting where the
// one before ended.
bool has_kink(Loss loss) {
  return loss == Loss::kHinge || loss == Loss::kAbsolute || loss == Loss::kEpsInsensitiveAbsolute ||
         loss == Loss::kQuantile;
}

/// As many as take some tenths of a second or as long as the stochastic passes took, and at least a few: where the rows
/// are many, those are near the minimum already.
int iterations(const PolishTask& task) {
  const double outputs = static_cast<double>(task.objective->lanes().outputs);
  const double d = static_cast<double>(task.objective->features());
  const double one_pass =
      2 * static_cast<double>(task.rows->values.size()) * outputs * (task.rows->sparse ? kSparseCost : 1);
  double numbers[] = {one_pass + 24 * d * outputs * kSparseCost, one_pass};
  // The slowest host decides, since all must do the same number.
  task.hosts->all_reduce_max(std::span<double>(numbers));
  const double budget = std::max(kFreeWork, numbers[1] * static_cast<double>(task.passes));
  return static_cast<int>(std::clamp(budget / numbers[0], double{kFewestIterations}, double{kMostIterations}));
}

std::vector<double> flat(const Solution& s) {
  std::vector<double> x(s.weight.begin(), s.weight.end());
  x.insert(x.end(), s.bias.begin(), s.bias.end());
  return x;
}

/// @param roughly  for comparing penalties
void solve(const PolishTask& task, Problem& problem, std::vector<double>& x, std::size_t weights, bool roughly) {
  std::vector<double> l1;
  if (task.l1 > 0) {
    l1.assign(x.size(), 0.0);
    std::fill_n(l1.begin(), weights, task.l1);
  }
  const kernels::LossRule exact = task.objective->rule();
  MinimiserOptions options;
  options.l1 = l1;
  options.iterations = iterations(task);
  if (x.size() > kManyWeights) options.memory = 5;  // the solver's own vectors would cost more than the rows
  if (roughly) options.iterations = std::min(options.iterations, 50), options.relative_change = 1e-5;
  const auto f = [&](const std::vector<double>& point, std::vector<double>& gradient) {
    return problem(point, gradient);
  };
  if (!has_kink(exact.loss)) {
    minimise(f, x, options, task.stop);
    return;
  }
  for (const float width : {0.3f, 0.1f, 0.03f, 0.01f}) {
    kernels::LossRule rounded = exact;
    rounded.smoothing = width;
    task.objective->set_rule(rounded);
    minimise(f, x, options, task.stop);
  }
  task.objective->set_rule(exact);
}

}  // namespace

Solution polish(const PolishTask& task, Solution start, bool roughly) {
  std::vector<double> x = flat(start);
  Problem problem(task, {{0, task.rows->rows}});
  solve(task, problem, x, start.weight.size(), roughly);
  const auto weights = static_cast<std::ptrdiff_t>(start.weight.size());
  std::copy(x.begin(), x.begin() + weights, start.weight.begin());
  std::copy(x.begin() + weights, x.end(), start.bias.begin());
  return start;
}

// K-fold cross validation of one penalty, folds of consecutive rows of each host.
double held_out_loss(const PolishTask& task, const Solution& start, int folds) {
  double loss = 0;
  std::int64_t rows = task.rows->rows;
  for (int f = 0; f < folds; ++f) {
    const auto [begin, end] = numeric::share(task.rows->rows, f, folds);
    Problem rest(task, {{0, begin}, {end, task.rows->rows}});
    Problem held_out(task, {{begin, end}});
    std::vector<double> x = flat(start);
    solve(task, rest, x, start.weight.size(), true);
    loss += held_out.loss(x);
  }
  task.hosts->all_reduce_sum(std::span<std::int64_t>(&rows, 1));
  return loss / static_cast<double>(rows);
}

}  // namespace clary::linear_learner
