// SPDX-License-Identifier: Apache-2.0
// A network's update against MXNet's rules, one number at a time in double.
#include "algorithms/seq2seq/train/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace clary::seq2seq {
namespace {

struct Plain {
  double w = 0, m = 0, v = 0;

  void step(const Hyperparameters& hp, double g, bool decays, double t) {
    const double lr = hp.learning_rate, d = decays ? hp.weight_decay : 0;
    const auto clip = [&](double x) {
      return hp.clip_gradient > 0 ? std::clamp(x, -hp.clip_gradient, hp.clip_gradient) : x;
    };
    if (hp.optimizer_type == optim::Rule::kAdam) {
      g = clip(g + d * w);
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      w -= lr * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t)) * m / (std::sqrt(v) + 1e-8);
    } else if (hp.optimizer_type == optim::Rule::kRmsprop) {
      g = clip(g + d * w);
      m = 0.9 * m + 0.1 * g * g;
      w -= lr * g / std::sqrt(m + 1e-8);
    } else {
      m = hp.momentum.value_or(0) * m - lr * (clip(g) + d * w);
      w += m;
    }
  }
};

struct Case {
  const char* name;
  optim::Rule rule;
  std::optional<double> momentum;
  double clip;
  int states;
};
class OptimizerRule : public testing::TestWithParam<Case> {};

TEST_P(OptimizerRule, IsMxnetsForEveryTensor) {
  Hyperparameters hp;
  hp.optimizer_type = GetParam().rule, hp.momentum = GetParam().momentum, hp.clip_gradient = GetParam().clip;
  hp.learning_rate = 0.01, hp.weight_decay = 0.02;
  hp.rnn_num_hidden = 6, hp.num_embed_source = hp.num_embed_target = 5;
  Parameters parameters(hp.architecture(9, 11));
  parameters.initialise({}, 1);
  std::vector<Plain> plain(parameters.values().size());
  for (std::size_t i = 0; i < plain.size(); ++i) plain[i].w = static_cast<double>(parameters.values()[i]);
  numeric::Team team(3, numeric::Team::Shared{});
  Optimizer optimizer(hp, parameters, team);
  EXPECT_EQ(Optimizer::states(hp), GetParam().states);
  EXPECT_EQ(!optimizer.first().empty(), GetParam().states > 0);
  EXPECT_EQ(!optimizer.second().empty(), GetParam().states > 1);

  std::mt19937 random(1);
  std::normal_distribution<float> draw;
  std::vector<float> gradient(plain.size());
  for (int t = 1; t <= 5; ++t) {
    for (const Tensor& tensor : parameters.list())
      for (std::int64_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        const auto at = static_cast<std::size_t>(i);
        gradient[at] = draw(random);
        plain[at].step(hp, static_cast<double>(gradient[at]), tensor.shape.size() > 1, t);
      }
    optimizer.step(parameters, gradient, hp.learning_rate);
  }
  EXPECT_EQ(optimizer.steps(), 5);
  for (std::size_t i = 0; i < plain.size(); ++i)
    ASSERT_NEAR(static_cast<double>(parameters.values()[i]), plain[i].w, 2e-6) << i;
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerRule,
                         testing::Values(Case{"adam", optim::Rule::kAdam, {}, 1, 2},
                                         Case{"adam_without_clip", optim::Rule::kAdam, {}, -1, 2},
                                         Case{"adam_ignores_momentum", optim::Rule::kAdam, 0.9, 1, 2},
                                         Case{"rmsprop", optim::Rule::kRmsprop, {}, 0.5, 1},
                                         Case{"sgd", optim::Rule::kMomentum, {}, 1, 0},
                                         Case{"sgd_momentum", optim::Rule::kMomentum, 0.8, 0, 1}),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace clary::seq2seq
