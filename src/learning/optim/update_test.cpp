// SPDX-License-Identifier: Apache-2.0
// Both forms against the rules as update.h writes them, one weight at a time, in double.
#include "learning/optim/update.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::optim {
namespace {

using numeric::at;
using numeric::kPad;

std::vector<float> numbers(std::size_t n, unsigned seed, float low = -3, float high = 3) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> draw(low, high);
  std::vector<float> out(n);
  for (float& x : out) x = draw(random);
  return out;
}

double wide(float x) { return static_cast<double>(x); }

struct Case {
  const char* name;
  Rule rule;
  float clip, decay;
  Step constants{};
};
class Update : public testing::TestWithParam<Case> {};

/// `g` is the raw gradient.
void plain_step(const Case& c, double rate, double rescale, double g, double& w, double& first, double& second) {
  const auto clip = [&](double x) { return c.clip > 0 ? std::min(std::max(x, -wide(c.clip)), wide(c.clip)) : x; };
  const double d = wide(c.decay), raw = rescale * g, momentum = wide(c.constants.momentum);
  const double b1 = wide(c.constants.beta_1), b2 = wide(c.constants.beta_2), epsilon = wide(c.constants.epsilon);
  switch (c.rule) {
    case Rule::kSgd:
      w -= rate * (clip(raw) + d * w);
      break;
    case Rule::kAdam: {
      const double x = clip(raw + d * w);
      first = b1 * first + (1 - b1) * x;
      second = b2 * second + (1 - b2) * x * x;
      w -= rate * first / (std::sqrt(second) + epsilon);
      break;
    }
    case Rule::kAdagrad:
      first += clip(raw) * clip(raw);
      w -= rate * (clip(raw) / std::sqrt(first + 1e-7) + d * w);
      break;
    case Rule::kRmsprop: {
      const double x = clip(raw + d * w);
      first = b1 * first + (1 - b1) * x * x;
      w -= rate * x / std::sqrt(first + epsilon);
      break;
    }
    case Rule::kAdadelta: {
      const double x = clip(raw);
      first = 0.9 * first + 0.1 * x * x;
      const double delta = std::sqrt((second + 1e-5) / (first + 1e-5)) * x;
      second = 0.9 * second + 0.1 * delta * delta;
      w -= delta + d * w;
      break;
    }
    case Rule::kMomentum:
      first = momentum * first - rate * (clip(raw) + d * w);
      w += first;
      break;
    case Rule::kNesterov: {
      const double x = clip(raw) + d * w;
      first = momentum * first + x;
      w -= rate * (x + momentum * first);
      break;
    }
  }
}

TEST_P(Update, FollowsTheRuleWithAndWithoutGradient) {
  constexpr std::int64_t kWidth = 3 * kPad;
  const Case& c = GetParam();
  std::vector<float> w = numbers(at(kWidth), 1, -1, 1), first(at(kWidth)), second(at(kWidth));
  std::vector<double> pw(w.begin(), w.end()), p1(at(kWidth)), p2(at(kWidth));
  for (unsigned t = 1; t <= 30; ++t) {
    const bool rests = t % 3 == 0;
    Step step = c.constants;
    step.rescale = 0.5f, step.clip = c.clip, step.learning_rate = 0.02f, step.weight_decay = c.decay;
    const std::vector<float> g = numbers(at(kWidth), 10 + t);
    if (rests)
      update_without_gradient(c.rule, step, kWidth, w.data(), first.data(), second.data());
    else
      update(c.rule, step, kWidth, w.data(), first.data(), second.data(), g.data());
    for (std::size_t i = 0; i < at(kWidth); ++i) plain_step(c, 0.02, 0.5, rests ? 0 : wide(g[i]), pw[i], p1[i], p2[i]);
  }
  for (std::size_t i = 0; i < at(kWidth); ++i) {
    EXPECT_NEAR(w[i], pw[i], 2e-5) << i;
    EXPECT_NEAR(first[i], p1[i], 2e-5 * (1 + std::abs(p1[i]))) << i;
    EXPECT_NEAR(second[i], p2[i], 2e-5) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Update,
    testing::Values(
        Case{"sgd", Rule::kSgd, 0, 0}, Case{"sgd_clip_decay", Rule::kSgd, 0.3f, 0.01f}, Case{"adam", Rule::kAdam, 0, 0},
        Case{"adam_clip_decay", Rule::kAdam, 0.3f, 0.01f}, Case{"adagrad", Rule::kAdagrad, 0, 0},
        Case{"adagrad_clip_decay", Rule::kAdagrad, 0.3f, 0.01f}, Case{"rmsprop", Rule::kRmsprop, 0, 0},
        Case{"rmsprop_clip_decay", Rule::kRmsprop, 0.3f, 0.01f}, Case{"adadelta", Rule::kAdadelta, 0, 0},
        Case{"adadelta_clip_decay", Rule::kAdadelta, 0.3f, 0.01f},
        Case{"momentum", Rule::kMomentum, 0, 0, {.momentum = 0.7f}},
        Case{"momentum_clip_decay", Rule::kMomentum, 0.3f, 0.01f, {.momentum = 0.9f}},
        Case{"momentum_of_zero", Rule::kMomentum, 0, 0.01f},
        Case{"nesterov", Rule::kNesterov, 0, 0, {.momentum = 0.7f}},
        Case{"nesterov_clip_decay", Rule::kNesterov, 0.3f, 0.01f, {.momentum = 0.9f}},
        Case{"adam_other_constants",
             Rule::kAdam,
             0,
             0,
             {.beta_1 = 0.5f, .rest_1 = 0.5f, .beta_2 = 0.75f, .rest_2 = 0.25f, .epsilon = 0.01f}},
        Case{"rmsprop_other_constants", Rule::kRmsprop, 0, 0, {.beta_1 = 0.5f, .rest_1 = 0.5f, .epsilon = 0.01f}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(UpdateStateDecay, IsWhatStepsWithoutGradientLeaveOfTheAverages) {
  for (const Rule rule : {Rule::kRmsprop, Rule::kAdadelta}) {
    const std::vector<float> g = numbers(at(kPad), 1);
    std::vector<float> a = numbers(at(kPad), 2), a1 = numbers(at(kPad), 3, 0.1f, 1), a2 = numbers(at(kPad), 4, 0.1f, 1);
    std::vector<float> b = a, b1 = a1, b2 = a2;
    Step step{.learning_rate = 0.1f};
    for (int i = 0; i < 3; ++i) update_without_gradient(rule, step, kPad, a.data(), a1.data(), a2.data());
    update(rule, step, kPad, a.data(), a1.data(), a2.data(), g.data());
    step.state_decay = 0.9f * 0.9f * 0.9f;
    update(rule, step, kPad, b.data(), b1.data(), b2.data(), g.data());
    for (std::size_t i = 0; i < at(kPad); ++i) EXPECT_NEAR(a[i], b[i], 1e-6);
  }
}

/// The published rules of the lanes.
struct PlainStep {
  Rule rule;
  double momentum, beta_1, beta_2, correction_1, correction_2;

  void operator()(double rate, double decay, double shrink, double gradient, double& w, double& first,
                  double& second) const {
    const double g = gradient + decay * w;
    double step = rate;
    if (rule == Rule::kAdam) {
      first = beta_1 * first + (1 - beta_1) * g, second = beta_2 * second + (1 - beta_2) * g * g;
      step = rate / (std::sqrt(second * correction_2) + 1e-8);
      w -= step * first * correction_1;
    } else if (rule == Rule::kRmsprop) {
      first = 0.9 * first + 0.1 * g * g;
      step = rate / (std::sqrt(first) + 1e-8);
      w -= step * g;
    } else {
      first = momentum * first - rate * g;
      w += first;
    }
    w = std::copysign(std::max(std::abs(w) - step * shrink, 0.0), w);
  }
};

TEST(UpdateLanes, FollowsTheRulesLaneByLane) {
  for (const Rule rule : {Rule::kMomentum, Rule::kAdam, Rule::kRmsprop}) {
    const std::int64_t rows = 5, width = 32, size = rows * width;
    const bool signs = rule != Rule::kRmsprop;
    std::vector<float> w = numbers(at(size), 1), first = numbers(at(size), 2, signs ? -3.0f : 0.1f, 3);
    std::vector<float> second = numbers(at(size), 3, 0.1f, 2);
    std::vector<float> g1 = numbers(at(size), 4), g2 = numbers(at(size), 5), average(at(size), 1.0f);
    const std::vector<float> rate = numbers(at(width), 6, 0.01f, 0.2f), decay = numbers(at(width), 7, 0, 0.5f);
    const std::vector<float> shrink = numbers(at(width), 8, 0, 20);
    const LaneStep step{rule, 0.8f, 0.9f, 0.999f, 1.7f, 30, 0.01f, rate.data(), decay.data(), shrink.data()};
    const std::vector<float> w0 = w, first0 = first, second0 = second, a = g1, b = g2;
    float* parts[] = {g1.data(), g2.data()};
    update_lanes(step, rows, width, w.data(), first.data(), second.data(), parts, 2, average.data());
    const PlainStep plain{rule, 0.8, 0.9, 0.999, 1.7, 30};
    int zeros = 0;
    for (std::size_t i = 0; i < at(size); ++i) {
      const std::size_t lane = i % at(width);
      double pw = wide(w0[i]), p1 = wide(first0[i]), p2 = wide(second0[i]);
      plain(wide(rate[lane]), wide(decay[lane]), wide(shrink[lane]), 0.01 * (wide(a[i]) + wide(b[i])), pw, p1, p2);
      EXPECT_NEAR(w[i], pw, 1e-5);
      EXPECT_NEAR(first[i], p1, 1e-5);
      EXPECT_NEAR(second[i], p2, 1e-5);
      EXPECT_FLOAT_EQ(average[i], 1 + w[i]);
      EXPECT_EQ(g1[i], 0);
      EXPECT_EQ(g2[i], 0);
      zeros += w[i] == 0;
    }
    EXPECT_GT(zeros, 0) << "the soft threshold reaches exact zeros";
  }
}

// The soft threshold made 0 of a weight that was not a number, so that a model which had diverged looked finished.
TEST(UpdateLanes, NanStaysNan) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const Rule rule : {Rule::kMomentum, Rule::kAdam, Rule::kRmsprop})
    for (const bool of_weight : {true, false}) {
      std::vector<float> w = numbers(at(kPad), 1), first(at(kPad), 0.5f), second(at(kPad), 0.5f),
                         g = numbers(at(kPad), 2);
      const std::vector<float> constants(at(kPad), 0.1f);
      (of_weight ? w : g)[3] = kNan;
      const LaneStep step{rule, 0.8f, 0.9f, 0.999f, 1.7f, 30, 1, constants.data(), constants.data(), constants.data()};
      float* part = g.data();
      update_lanes(step, 1, kPad, w.data(), first.data(), second.data(), &part, 1, nullptr);
      for (std::size_t i = 0; i < at(kPad); ++i) EXPECT_EQ(std::isnan(w[i]), i == 3) << i;
    }
}

TEST(UpdateScattered, IsTheBlockUpdateOfThoseWeights) {
  const std::int64_t d = 100;
  for (const std::int64_t n : {1, 15, 16, 37}) {
    std::vector<float> w = numbers(at(d), 1), first = numbers(at(d), 2), second = numbers(at(d), 3, 0.1f, 2);
    const std::vector<float> constants(at(kPad), 0.05f), gradient = numbers(at(n), 4);
    const LaneStep step{Rule::kAdam,     0, 0.9f, 0.999f, 1.7f, 30, 1, constants.data(), constants.data(),
                        constants.data()};
    std::vector<double> pw(w.begin(), w.end()), p1(first.begin(), first.end()), p2(second.begin(), second.end());
    std::vector<std::int32_t> index;
    for (std::int64_t i = 0; i < n; ++i) index.push_back(static_cast<std::int32_t>(i * 97 % d));
    update_scattered(step, n, index.data(), gradient.data(), w.data(), first.data(), second.data());
    const PlainStep plain{Rule::kAdam, 0, 0.9, 0.999, 1.7, 30};
    for (std::int64_t i = 0; i < n; ++i) {
      const auto j = at(index[at(i)]);
      plain(0.05, 0.05, 0.05, wide(gradient[at(i)]), pw[j], p1[j], p2[j]);
    }
    for (std::size_t j = 0; j < at(d); ++j) EXPECT_NEAR(w[j], pw[j], 1e-5) << n << " weight " << j;
  }
}

TEST(CorrectedRate, IsThatOfMxnetsAdam) {
  EXPECT_FLOAT_EQ(corrected_rate(0.1f, 1), 0.1f * std::sqrt(0.001f) / 0.1f);
  EXPECT_FLOAT_EQ(corrected_rate(0.1f, 100'000), 0.1f);
  EXPECT_FLOAT_EQ(corrected_rate(0.1f, 2, 0.5, 0.75), 0.1f * std::sqrt(1 - 0.5625f) / 0.75f);
}

}  // namespace
}  // namespace clary::optim
