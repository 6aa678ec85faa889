// SPDX-License-Identifier: Apache-2.0
// A network's update against MXNet's rules, one number at a time in double.
#include "algorithms/image_classification/train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "algorithms/image_classification/model/resnet.h"

namespace clary::image_classification {
namespace {

struct Plain {
  double w = 0, m = 0, v = 0;

  void step(const Hyperparameters& hp, double g, bool decays, double t) {
    const double lr = hp.learning_rate, d = decays ? hp.weight_decay : 0;
    switch (hp.optimizer) {
      case optim::Rule::kMomentum:
        m = hp.momentum * m - lr * (g + d * w);
        w += m;
        break;
      case optim::Rule::kNesterov:
        g += d * w;
        m = hp.momentum * m + g;
        w -= lr * (g + hp.momentum * m);
        break;
      case optim::Rule::kAdam:
        m = hp.beta_1 * m + (1 - hp.beta_1) * g;
        v = hp.beta_2 * v + (1 - hp.beta_2) * g * g;
        w -= lr * std::sqrt(1 - std::pow(hp.beta_2, t)) / (1 - std::pow(hp.beta_1, t)) * m / (std::sqrt(v) + hp.eps);
        break;
      default:
        m = hp.gamma * m + (1 - hp.gamma) * g * g;
        w -= lr * g / std::sqrt(m + hp.eps);
    }
  }
};

class OptimizerRule : public testing::TestWithParam<optim::Rule> {};

TEST_P(OptimizerRule, IsMxnetsForEveryParameter) {
  Hyperparameters hp;
  hp.optimizer = GetParam();
  hp.learning_rate = 0.01, hp.weight_decay = 0.02, hp.momentum = 0.8, hp.beta_1 = 0.7, hp.beta_2 = 0.95, hp.gamma = 0.6;
  hp.eps = 1e-4;
  nn::Parameters parameters(resnet({.layers = 20, .image = {3, 8, 8}, .classes = 3}));
  parameters.initialise(1);
  std::vector<Plain> plain(parameters.values().size());
  for (std::size_t i = 0; i < plain.size(); ++i) plain[i].w = static_cast<double>(parameters.values()[i]);
  Optimizer optimizer(hp, parameters, 3);
  std::mt19937 random(1);
  std::normal_distribution<float> draw;
  for (int t = 1; t <= 5; ++t) {
    std::vector<float> gradient(plain.size());
    for (const nn::Parameter& p : parameters.list()) {
      if (p.is_statistic()) continue;
      for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) {
        const float g = gradient[static_cast<std::size_t>(i)] = draw(random);
        plain[static_cast<std::size_t>(i)].step(hp, static_cast<double>(g), p.decays(), t);
      }
    }
    optimizer.step(parameters, gradient, hp.learning_rate);
  }
  for (std::size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(parameters.values()[i], plain[i].w, 2e-5) << i;
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerRule,
                         testing::Values(optim::Rule::kMomentum, optim::Rule::kNesterov, optim::Rule::kAdam,
                                         optim::Rule::kRmsprop));

TEST(Optimizer, LeavesNumbersWithoutGradientFiniteWhenEpsIsZero) {
  for (const optim::Rule rule : {optim::Rule::kAdam, optim::Rule::kRmsprop}) {
    Hyperparameters hp;
    hp.optimizer = rule, hp.eps = 0;
    nn::Parameters parameters(resnet({.layers = 20, .image = {3, 8, 8}, .classes = 3}));
    Optimizer optimizer(hp, parameters, 1);
    optimizer.step(parameters, std::vector<float>(parameters.values().size()), 0.1);
    for (const float w : parameters.values()) ASSERT_TRUE(std::isfinite(w));
  }
}

}  // namespace
}  // namespace clary::image_classification
