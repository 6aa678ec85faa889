// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/polish.h"

#include <algorithm>
#include <cstddef>

#include "algorithms/linear_learner/lbfgs.h"

namespace clary::linear_learner {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// x = weights [D, K], then biases [K], as the solver sees them.
class Problem {
 public:
  Problem(Objective& objective, const Rows& rows, double decay, bool use_bias, collective::Collective& hosts)
      : objective_(objective), rows_(rows), decay_(decay), use_bias_(use_bias), hosts_(hosts),
        parameters_(objective.lanes(), objective.features()) {
    total_ = rows.rows;
    hosts_.all_reduce_sum(std::span<std::int64_t>(&total_, 1));
  }

  double operator()(const std::vector<double>& x, std::vector<double>& gradient) {
    const Lanes& lanes = objective_.lanes();
    const std::int64_t d = objective_.features(), k_count = lanes.outputs, width = lanes.width();
    for (std::int64_t j = 0; j < d; ++j) {
      for (std::int64_t k = 0; k < k_count; ++k) {
        parameters_.weight[at(j * width + k)] = static_cast<float>(x[at(j * k_count + k)]);
      }
    }
    for (std::int64_t k = 0; k < k_count; ++k) parameters_.bias[at(k)] = static_cast<float>(x[at(d * k_count + k)]);
    const Objective::Sums& sums = objective_.loss_and_gradient(rows_, 0, rows_.rows, parameters_);
    std::fill(gradient.begin(), gradient.end(), 0.0);
    for (float* part : objective_.gradients()) {
      for (std::int64_t j = 0; j < d; ++j) {
        for (std::int64_t k = 0; k < k_count; ++k) gradient[at(j * k_count + k)] += static_cast<double>(part[j * width + k]);
      }
      std::fill(part, part + parameters_.weight.size(), 0.0f);
    }
    for (std::int64_t k = 0; k < k_count; ++k) gradient[at(d * k_count + k)] = sums.slope[at(k)];
    double loss = sums.loss[0];
    if (hosts_.size() > 1) {
      gradient.push_back(loss);
      hosts_.all_reduce_sum(std::span<double>(gradient));
      loss = gradient.back();
      gradient.pop_back();
    }
    const double part = 1 / static_cast<double>(total_);
    double square = 0;
    for (std::size_t i = 0; i < at(d * k_count); ++i) {
      square += x[i] * x[i];
      gradient[i] = gradient[i] * part + decay_ * x[i];
    }
    for (std::size_t i = at(d * k_count); i < gradient.size(); ++i) gradient[i] = use_bias_ ? gradient[i] * part : 0;
    return loss * part + 0.5 * decay_ * square;
  }

 private:
  Objective& objective_;
  const Rows& rows_;
  double decay_;
  bool use_bias_;
  collective::Collective& hosts_;
  Parameters parameters_;
  std::int64_t total_ = 0;
};

}  // namespace

Solution polish(Objective& objective, const Rows& rows, const CandidateSettings& settings, bool use_bias,
                Solution start, collective::Collective& hosts, const std::function<bool()>& stop) {
  Problem problem(objective, rows, settings.wd, use_bias, hosts);
  std::vector<double> x(start.weight.begin(), start.weight.end());
  x.insert(x.end(), start.bias.begin(), start.bias.end());
  std::vector<double> l1;
  if (settings.l1 > 0) {
    l1.assign(x.size(), 0.0);
    std::fill_n(l1.begin(), start.weight.size(), settings.l1);
  }
  MinimiserOptions options;
  options.l1 = l1;
  minimise([&](const std::vector<double>& at_x, std::vector<double>& gradient) { return problem(at_x, gradient); }, x,
           options, stop);
  for (std::size_t i = 0; i < start.weight.size(); ++i) start.weight[i] = static_cast<float>(x[i]);
  for (std::size_t i = 0; i < start.bias.size(); ++i) start.bias[i] = static_cast<float>(x[start.weight.size() + i]);
  return start;
}

}  // namespace clary::linear_learner
