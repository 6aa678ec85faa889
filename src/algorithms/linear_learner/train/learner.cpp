// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/learner.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <utility>

#include "learning/numeric/index.h"
#include "learning/optim/schedule.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

/// A number of (0, 1) from 64 random bits; the same on every machine, unlike the standard's distributions.
double uniform(std::mt19937_64& random) { return (static_cast<double>(random() >> 11) + 0.5) * 0x1.0p-53; }

double initial_weight(const Hyperparameters& hp, std::mt19937_64& random) {
  const double u = uniform(random);
  if (hp.init_method == InitMethod::kUniform) return hp.init_scale * (2 * u - 1);
  // Box-Muller. The standard's distributions differ between libraries; a seed must give the same model everywhere.
  return hp.init_sigma * std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * uniform(random));
}

optim::Rule rule_of(Optimizer optimizer) {
  switch (optimizer) {
    case Optimizer::kSgd:
      return optim::Rule::kMomentum;
    case Optimizer::kAdam:
      return optim::Rule::kAdam;
    case Optimizer::kRmsprop:
      break;
  }
  return optim::Rule::kRmsprop;
}

}  // namespace

Parameters initial_parameters(const Lanes& lanes, std::int64_t features, const Hyperparameters& hp,
                              std::uint64_t seed) {
  // Model by model, in the order of features: a model's start does not depend on how many others train with it.
  Parameters p(lanes, features);
  std::mt19937_64 random(seed);
  for (std::int64_t m = 0; m < lanes.models; ++m) {
    for (std::int64_t k = 0; k < lanes.outputs; ++k) {
      const std::int64_t lane = lanes.at(m, k);
      for (std::int64_t j = 0; j < features; ++j) {
        p.weight[at(j * lanes.width() + lane)] = static_cast<float>(initial_weight(hp, random));
      }
      p.bias[at(lane)] = hp.use_bias ? static_cast<float>(hp.init_bias) : 0;
    }
  }
  return p;
}

Learner::Learner(Objective& objective, Parameters start, std::vector<CandidateSettings> candidates,
                 const Hyperparameters& hp, Team& team, collective::Collective& hosts)
    : objective_(objective),
      lanes_(objective.lanes()),
      parameters_(std::move(start)),
      candidates_(std::move(candidates)),
      bias_lr_mult_(hp.resolved_bias_lr_mult()),
      bias_wd_mult_(hp.resolved_bias_wd_mult()),
      use_bias_(hp.use_bias),
      team_(team),
      hosts_(hosts) {
  const std::size_t width = at(lanes_.block_width());
  for (Floats* f : {&rate_, &decay_, &shrink_, &bias_rate_, &bias_decay_, &zeros_}) f->assign(width, 0.0f);
  const CandidateSettings& any = candidates_.front();
  rule_.rule = rule_of(any.optimizer);
  rule_.momentum = static_cast<float>(any.momentum);
  rule_.beta_1 = static_cast<float>(any.beta_1), rule_.beta_2 = static_cast<float>(any.beta_2);
  state_.first = state_.second = Parameters(lanes_, objective.features());
  for (const CandidateSettings& c : candidates_) state_.rate.push_back(c.learning_rate);
  loss_sums_.assign(at(lanes_.models), 0.0);
  column_gradient_.assign(at(team.size()), Floats(at(lanes_.bias_size()), 0.0f));
}

void Learner::begin_epoch() {
  std::fill(loss_sums_.begin(), loss_sums_.end(), 0.0);
  rows_seen_ = 0;
  averaged_ = -1;
}

void Learner::begin_average() {
  average_ = Parameters(lanes_, objective_.features());
  averaged_ = 0;
}

// Ends the averaging: the sum becomes the mean in place.
const Parameters& Learner::averaged() {
  if (averaged_ <= 0) return parameters_;
  const float part = 1.0f / static_cast<float>(averaged_);
  for (float& x : average_.weight) x *= part;
  for (float& x : average_.bias) x *= part;
  averaged_ = -1;
  return average_;
}

void Learner::restore(Parameters parameters, State state) {
  parameters_ = std::move(parameters);
  state_ = std::move(state);
}

/// This update's number, rates and corrections.
void Learner::prepare_rule(std::int64_t rows) {
  const std::int64_t t = ++state_.updates;
  for (std::int64_t m = 0; m < lanes_.models; ++m) {
    const CandidateSettings& c = candidates_[at(m)];
    double& rate = state_.rate[at(m)];
    const optim::StepSchedule schedule{c.lr_scheduler_step, c.lr_scheduler_factor, c.lr_scheduler_minimum_lr};
    if (c.use_lr_scheduler) rate = schedule.next(rate, t);
    const auto set = [&](std::int64_t lane) {
      rate_[at(lane)] = static_cast<float>(rate);
      decay_[at(lane)] = static_cast<float>(c.wd);
      shrink_[at(lane)] = static_cast<float>(c.l1);
      bias_rate_[at(lane)] = use_bias_ ? static_cast<float>(rate * bias_lr_mult_) : 0;
      bias_decay_[at(lane)] = static_cast<float>(c.wd * bias_wd_mult_);
    };
    // A single model fills all lanes of a vector: the same rate in each.
    if (lanes_.single()) {
      for (std::int64_t lane = 0; lane < numeric::kPad; ++lane) set(lane);
    } else {
      for (std::int64_t k = 0; k < lanes_.outputs; ++k) set(lanes_.at(m, k));
    }
  }
  const double steps = static_cast<double>(t);
  // Adam's corrections for step t (Kingma & Ba, algorithm 1).
  rule_.first_correction = static_cast<float>(1 / (1 - std::pow(static_cast<double>(rule_.beta_1), steps)));
  rule_.second_correction = static_cast<float>(1 / (1 - std::pow(static_cast<double>(rule_.beta_2), steps)));
  rule_.gradient_scale = 1 / static_cast<float>(rows);
}

/// Everybody's sums, and gradients into that of thread 0. @return rows of all hosts
/// Sums and counts travel in one reduction: a reduction costs a round trip, whatever its length. The stop flag travels
/// with it, so that all hosts stop after the same step.
std::int64_t Learner::exchange(Objective::Sums& sums, std::int64_t rows, bool with_gradient, bool stop) {
  stopped_ = stop;
  if (hosts_.size() == 1) return rows;
  if (with_gradient) {
    const std::vector<float*>& gradients = objective_.gradients();
    float* first = gradients[0];
    const std::size_t size = parameters_.weight.size();
    for (std::size_t t = 1; t < gradients.size(); ++t) {
      float* other = gradients[t];
      for (std::size_t i = 0; i < size; ++i) first[i] += std::exchange(other[i], 0.0f);
    }
    hosts_.all_reduce_sum(std::span<float>(first, size));
  }
  std::vector<double> all(sums.loss);
  all.insert(all.end(), sums.slope.begin(), sums.slope.end());
  all.push_back(static_cast<double>(rows));
  all.push_back(stop ? 1 : 0);
  hosts_.all_reduce_sum(std::span<double>(all));
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(sums.loss.size());
  std::copy(all.begin(), middle, sums.loss.begin());
  std::copy(middle, all.end() - 2, sums.slope.begin());
  stopped_ = all.back() > 0;
  return static_cast<std::int64_t>(all[all.size() - 2]);
}

// Three ways to update, by the form of the data: all weights, the columns that occur (sparse, one host), or single
// weights of one model.
std::int64_t Learner::step(const Rows& rows, std::int64_t begin, std::int64_t end, const ColumnIndex* index,
                           bool stop) {
  const bool by_column = index != nullptr && hosts_.size() == 1;
  Objective::Sums sums = by_column && !lanes_.single() ? objective_.loss_and_slopes(rows, begin, end, parameters_)
                                                       : objective_.loss_and_gradient(rows, begin, end, parameters_);
  // No host has rows left: the end of a streamed pass.
  const std::int64_t total = exchange(sums, end - begin, !by_column, stop);
  if (total == 0) return 0;
  prepare_rule(total);
  if (by_column && lanes_.single()) {
    update_weights_of(index->columns);
  } else if (by_column) {
    update_columns(*index);
  } else {
    update_weights();
  }
  update_bias(sums.slope);
  for (std::size_t m = 0; m < loss_sums_.size(); ++m) loss_sums_[m] += sums.loss[m];
  rows_seen_ += total;
  if (averaged_ >= 0) ++averaged_;
  return total;
}

void Learner::update_weights() {
  rule_.rate = rate_.data(), rule_.decay = decay_.data(), rule_.shrink = shrink_.data();
  const std::int64_t width = lanes_.block_width();
  const std::vector<float*>& gradients = objective_.gradients();
  // Each thread updates a range of rows of the weights, with the gradients of all threads.
  team_.run([&](int t) {
    const auto [from, to] = numeric::share(lanes_.block_rows(objective_.features()), t, team_.size());
    const std::int64_t place = from * width;
    std::vector<float*> parts = gradients;
    for (float*& part : parts) part += place;
    const int count = hosts_.size() == 1 ? team_.size() : 1;  // several hosts: exchange() put all into the first
    optim::update_lanes(rule_, to - from, width, parameters_.weight.data() + place, state_.first.weight.data() + place,
                        state_.second.weight.data() + place, parts.data(), count,
                        averaged_ >= 0 ? average_.weight.data() + place : nullptr);
  });
}

/// Sparse rows: each column's gradient is made and used up at once, by the thread that owns it. Columns that do not
/// occur in the batch rest: their moments do not change.
void Learner::update_columns(const ColumnIndex& index) {
  rule_.rate = rate_.data(), rule_.decay = decay_.data(), rule_.shrink = shrink_.data();
  const std::int64_t width = lanes_.width();
  const float* slopes = objective_.slopes();
  team_.run([&](int t) {
    const auto [from, to] = numeric::share(static_cast<std::int64_t>(index.columns.size()), t, team_.size());
    float* gradient = column_gradient_[at(t)].data();
    for (std::int64_t c = from; c < to; ++c) {
      const std::int64_t first = index.offsets[at(c)], n = index.offsets[at(c) + 1] - first;
      const std::int64_t place = index.columns[at(c)] * width;
      numeric::gather_sum(n, index.rows.data() + first, index.values.data() + first, slopes, width, width, nullptr,
                          gradient);
      optim::update_lanes(rule_, 1, width, parameters_.weight.data() + place, state_.first.weight.data() + place,
                          state_.second.weight.data() + place, &gradient, 1, nullptr);
    }
  });
}

/// The same for one lane. Columns hold a few numbers each, too few for a product of their own: the gradient was
/// scattered row by row, and here the threads' parts are added up and cleared.
void Learner::update_weights_of(const std::vector<std::int32_t>& columns) {
  rule_.rate = rate_.data(), rule_.decay = decay_.data(), rule_.shrink = shrink_.data();
  const std::vector<float*>& parts = objective_.gradients();
  team_.run([&](int t) {
    // Ranges of columns are disjoint: no two threads touch a weight.
    const auto [from, to] = numeric::share(static_cast<std::int64_t>(columns.size()), t, team_.size());
    Floats& sums = column_gradient_[at(t)];
    sums.resize(std::max(sums.size(), at(to - from)));
    for (std::int64_t c = from; c < to; ++c) {
      float sum = 0;
      for (float* part : parts) sum += std::exchange(part[columns[at(c)]], 0.0f);
      sums[at(c - from)] = sum;
    }
    optim::update_scattered(rule_, to - from, columns.data() + from, sums.data(), parameters_.weight.data(),
                            state_.first.weight.data(), state_.second.weight.data());
  });
}

// The bias has rates of its own; an l1 penalty never applies to it.
void Learner::update_bias(const std::vector<double>& slope) {
  if (!use_bias_) return;
  rule_.rate = bias_rate_.data(), rule_.decay = bias_decay_.data(), rule_.shrink = zeros_.data();
  Floats gradient(slope.size());
  for (std::size_t i = 0; i < slope.size(); ++i) gradient[i] = static_cast<float>(slope[i]);
  float* part = gradient.data();
  optim::update_lanes(rule_, 1, lanes_.bias_size(), parameters_.bias.data(), state_.first.bias.data(),
                      state_.second.bias.data(), &part, 1, averaged_ >= 0 ? average_.bias.data() : nullptr);
}

}  // namespace clary::linear_learner
