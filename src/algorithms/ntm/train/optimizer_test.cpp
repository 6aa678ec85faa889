// SPDX-License-Identifier: Apache-2.0
// Every optimizer against a dense loop in double precision that follows ntm.md section 1.4 word for word, with rows
// that have a gradient only now and then: what the lazy update must make up exactly.
#include "algorithms/ntm/train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace clary::ntm {
namespace {

using optim::Rule;

struct Plain {
  OptimizerOptions o;
  std::vector<double> w, s1, s2;
  int t = 0;

  double clip(double g) const {
    return o.clip_gradient > 0 ? std::min(std::max(g, -double(o.clip_gradient)), double(o.clip_gradient)) : g;
  }
  void step(const std::vector<double>& gradient) {
    ++t;
    const double lr = o.learning_rate, wd = o.weight_decay;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double raw = o.rescale_gradient * gradient[i];
      if (o.rule == Rule::kSgd) {
        w[i] -= lr * (clip(raw) + wd * w[i]);
      } else if (o.rule == Rule::kAdam) {
        const double g = clip(raw + wd * w[i]);
        s1[i] = 0.9 * s1[i] + 0.1 * g;
        s2[i] = 0.999 * s2[i] + 0.001 * g * g;
        w[i] -= lr * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t)) * s1[i] / (std::sqrt(s2[i]) + 1e-8);
      } else if (o.rule == Rule::kAdagrad) {
        const double g = clip(raw);
        s1[i] += g * g;
        w[i] -= lr * (g / std::sqrt(s1[i] + 1e-7) + wd * w[i]);
      } else if (o.rule == Rule::kRmsprop) {
        const double g = clip(raw + wd * w[i]);
        s1[i] = 0.1 * g * g + 0.9 * s1[i];
        w[i] -= lr * g / std::sqrt(s1[i] + 1e-8);
      } else {
        const double g = clip(raw);
        s1[i] = 0.9 * s1[i] + 0.1 * g * g;
        const double d = std::sqrt(s2[i] + 1e-5) / std::sqrt(s1[i] + 1e-5) * g;
        s2[i] = 0.9 * s2[i] + 0.1 * d * d;
        w[i] -= d + wd * w[i];
      }
    }
  }
};

struct Case {
  const char* name;
  Rule rule;
  float clip, decay;
};

class NtmOptimizer : public ::testing::TestWithParam<Case> {};

TEST_P(NtmOptimizer, FollowsTheDenseLoopAlsoForRowsThatRestedAWhile) {
  const OptimizerOptions options{.rule = GetParam().rule,
                                 .learning_rate = 0.02f,
                                 .rescale_gradient = 0.5f,
                                 .clip_gradient = GetParam().clip,
                                 .weight_decay = GetParam().decay};
  constexpr std::int64_t kWords = 11, kUnits = 5;
  Parameters p = initial_parameters({kWords, 3, {kUnits, 4}, kernels::Activation::kTanh, false}, 1);
  Plain rows{options, {}, std::vector<double>(kWords * kUnits), std::vector<double>(kWords * kUnits)};
  for (std::int64_t v = 0; v < kWords; ++v)
    for (std::int64_t c = 0; c < kUnits; ++c) rows.w.push_back(p.embedding.at(v, c));
  Plain head{options, {}, {}, {}};
  for (std::int64_t r = 0; r < p.head.rows; ++r)
    for (std::int64_t c = 0; c < 3; ++c) head.w.push_back(p.head.at(r, c));
  head.s1.resize(head.w.size());
  head.s2.resize(head.w.size());

  Team team(2);
  WordIndex index({0, 6, kWords});
  Optimizer optimizer(options, p);
  Parameters gradient(p.shape);
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 1);
  for (int step = 0; step < 60; ++step) {
    // Word 0 in every step, others ever more rarely; word 10 never.
    std::vector<std::int32_t> words{0};
    for (std::int32_t v = 1; v < 10; ++v)
      if (step % (3 * v) == v) words.push_back(v);
    const std::vector<float> counts(words.size(), 1.0f);
    const Document doc{words.data(), counts.data(), static_cast<std::int64_t>(words.size()),
                       static_cast<float>(words.size()), 0};
    team.run([&](int t) {
      index.build(t, {&doc, 1});
      optimizer.catch_up(t, p, index);
    });
    std::vector<double> row_gradient(kWords * kUnits), head_gradient;
    for (int t = 0; t < 2; ++t) {
      WordIndex::Share& s = index.share(t);
      s.gradient.reshape(static_cast<std::int64_t>(s.words.size()), kUnits);
      for (std::size_t i = 0; i < s.words.size(); ++i) {
        if (optimizer.moves_idle_rows()) {  // the forward pass must see rows as the dense loop has them
          EXPECT_NEAR(p.embedding.at(s.words[i], 1), rows.w[static_cast<std::size_t>(s.words[i] * kUnits + 1)], 2e-5);
        }
        for (std::int64_t c = 0; c < kUnits; ++c) {
          const float g = normal(random);
          s.gradient.at(static_cast<std::int64_t>(i), c) = g;
          row_gradient[static_cast<std::size_t>(s.words[i] * kUnits + c)] = g;
        }
      }
    }
    for (std::int64_t r = 0; r < p.head.rows; ++r)
      for (std::int64_t c = 0; c < 3; ++c) head_gradient.push_back(gradient.head.at(r, c) = normal(random));
    optimizer.step(p, gradient, index, team);
    rows.step(row_gradient);
    head.step(head_gradient);
  }
  optimizer.flush(p, team);
  for (std::int64_t v = 0; v < kWords; ++v)
    for (std::int64_t c = 0; c < kUnits; ++c)
      EXPECT_NEAR(p.embedding.at(v, c), rows.w[static_cast<std::size_t>(v * kUnits + c)], 2e-5) << v << "," << c;
  for (std::int64_t r = 0, i = 0; r < p.head.rows; ++r)
    for (std::int64_t c = 0; c < 3; ++c, ++i)
      EXPECT_NEAR(p.head.at(r, c), head.w[static_cast<std::size_t>(i)], 2e-5) << r << "," << c;
}

const Case kCases[] = {
    {"sgd", Rule::kSgd, 0, 0},           {"sgd_clip_decay", Rule::kSgd, 0.3f, 0.01f},
    {"adam", Rule::kAdam, 0, 0},         {"adam_clip_decay", Rule::kAdam, 0.3f, 0.01f},
    {"adagrad", Rule::kAdagrad, 0, 0},   {"adagrad_clip_decay", Rule::kAdagrad, 0.3f, 0.01f},
    {"rmsprop", Rule::kRmsprop, 0, 0},   {"rmsprop_clip_decay", Rule::kRmsprop, 0.3f, 0.01f},
    {"adadelta", Rule::kAdadelta, 0, 0}, {"adadelta_clip_decay", Rule::kAdadelta, 0.3f, 0.01f},
};
INSTANTIATE_TEST_SUITE_P(All, NtmOptimizer, ::testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace clary::ntm
