// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/train/optimizer.h"

#include <cmath>
#include <utility>

namespace clary::ntm {
namespace {

using optim::Rule;

/// f(weights, first state, second state, gradient) over the dense matrices.
template <class F>
void each_with_state(Parameters& p, Parameters& first, Parameters& second, const Parameters& gradient, F&& f) {
  std::vector<Matrix*> w, s1, s2;
  std::vector<const Matrix*> g;
  Parameters::each_dense(p, [&](Matrix& m) { w.push_back(&m); });
  Parameters::each_dense(first, [&](Matrix& m) { s1.push_back(&m); });
  Parameters::each_dense(second, [&](Matrix& m) { s2.push_back(&m); });
  Parameters::each_dense(gradient, [&](const Matrix& m) { g.push_back(&m); });
  for (std::size_t i = 0; i < w.size(); ++i) f(*w[i], *s1[i], *s2[i], *g[i]);
}

}  // namespace

Optimizer::Optimizer(const OptimizerOptions& options, const Parameters& p) : options_(options) {
  // State for each weight. `second` stays unused by rules with one state.
  Shape shape = p.shape;
  state_.first = Parameters(shape);
  state_.second = Parameters(shape);
  state_.row_steps.assign(static_cast<std::size_t>(shape.vocabulary), 0);
}

// steps_ is the local count of steps since the start; hosts may differ when their shares do.
void Optimizer::restore(State state) {
  steps_ = state.steps;
  state_ = std::move(state);
}

// True for rules under which a row changes in a step without gradient for it. Those rows are not touched in every
// step, but caught up when they are next needed.
bool Optimizer::moves_idle_rows() const { return options_.weight_decay > 0 || options_.rule == Rule::kAdam; }

optim::Step Optimizer::step_at(std::int64_t step) const {
  return {.rescale = options_.rescale_gradient,
          .clip = options_.clip_gradient,
          .learning_rate = options_.rule == Rule::kAdam ? optim::corrected_rate(options_.learning_rate, step)
                                                        : options_.learning_rate,
          .weight_decay = options_.weight_decay};
}

/// Makes up the steps (row_steps, target] in which this row had no gradient.
/// Exact for the rules with a closed form (powers of a factor), step by step for the others.
void Optimizer::catch_up_row(Parameters& p, std::int64_t row, std::int64_t target) {
  std::int64_t& done = state_.row_steps[static_cast<std::size_t>(row)];
  const std::int64_t missed = target - done;
  if (missed <= 0) return;
  const std::int64_t width = p.embedding.stride;
  float* w = p.embedding.row(row);
  float* s1 = state_.first.embedding.row(row);
  float* s2 = state_.second.embedding.row(row);
  const auto power = [missed](double base) { return static_cast<float>(std::pow(base, static_cast<double>(missed))); };
  const double rate = options_.learning_rate, decay = options_.weight_decay;
  switch (options_.rule) {
    case Rule::kAdadelta:
      kernels::scale(s1, width, power(0.9));
      kernels::scale(s2, width, power(0.9));
      if (decay > 0) kernels::scale(w, width, power(1 - decay));
      break;
    case Rule::kSgd:
    case Rule::kAdagrad:
      // With a bound on the gradient both rules still decay weights after clipping.
      if (decay > 0) kernels::scale(w, width, power(1 - rate * decay));
      break;
    case Rule::kRmsprop:
      if (decay > 0) {
        for (std::int64_t i = done + 1; i <= target; ++i) {
          optim::update_without_gradient(options_.rule, step_at(i), width, w, s1, s2);
        }
      } else {
        kernels::scale(s1, width, power(0.9));
      }
      break;
    case Rule::kMomentum:
    case Rule::kNesterov:
      break;  // not one of NTM's
    case Rule::kAdam:
      for (std::int64_t i = done + 1; i <= target; ++i) {
        optim::update_without_gradient(options_.rule, step_at(i), width, w, s1, s2);
      }
      break;
  }
  done = target;
}

// Before the batch's forward pass: the encoder reads these rows, which must be as if every step had updated them.
void Optimizer::catch_up(int thread, Parameters& p, const WordIndex& index) {
  if (!moves_idle_rows()) return;
  for (const std::int32_t word : index.share(thread).words) catch_up_row(p, word, steps_);
}

// All rows, before the parameters are read as a whole (merge, scoring, checkpoint).
void Optimizer::flush(Parameters& p, Team& team) {
  team.run([&](int t) {
    const auto [from, to] = share(p.shape.vocabulary, t, team.size());
    for (std::int64_t row = from; row < to; ++row) catch_up_row(p, row, steps_);
  });
}

// Thread t owns the words of its share: rows are written by one thread only.
void Optimizer::step_rows(int thread, Parameters& p, const WordIndex& index) {
  const WordIndex::Share& words = index.share(thread);
  optim::Step now = step_at(steps_);
  for (std::size_t i = 0; i < words.words.size(); ++i) {
    const std::int64_t row = words.words[i];
    std::int64_t& done = state_.row_steps[static_cast<std::size_t>(row)];
    const std::int64_t missed = steps_ - 1 - done;
    // Idle rows whose weights do not change only lack the decay of their running averages: folded into this step.
    now.state_decay = missed > 0 ? static_cast<float>(std::pow(0.9, static_cast<double>(missed))) : 1.0f;
    done = steps_;
    optim::update(options_.rule, now, p.embedding.stride, p.embedding.row(row), state_.first.embedding.row(row),
                  state_.second.embedding.row(row), words.gradient.row(static_cast<std::int64_t>(i)));
  }
}

// Only rows with words in the batch have a gradient; dense matrices are shared out by elements.
void Optimizer::step(Parameters& p, const Parameters& gradient, const WordIndex& index, Team& team) {
  state_.steps = ++steps_;
  const optim::Step now = step_at(steps_);
  team.run([&](int t) {
    step_rows(t, p, index);
    each_with_state(p, state_.first, state_.second, gradient, [&](Matrix& w, Matrix& s1, Matrix& s2, const Matrix& g) {
      const auto [from, to] = share(w.rows * w.stride, t, team.size(), kernels::kPad);
      optim::update(options_.rule, now, to - from, w.values.data() + from, s1.values.data() + from,
                    s2.values.data() + from, g.values.data() + from);
    });
  });
}

}  // namespace clary::ntm
