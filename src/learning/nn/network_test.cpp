// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "learning/nn/loss.h"
#include "learning/nn/testing_networks.h"

namespace clary::nn {
namespace {

using numeric::at;
using testing_networks::Batch;
using testing_networks::batch;
using testing_networks::Build;

struct Case {
  std::string name;
  Build build;
  Loss loss = Loss::kSoftmax;
};

std::vector<Case> cases() {
  return {
      {"pre_activation", {.picture = {3, 6, 5}, .width = 4, .units = 1}},
      {"post_activation", {.picture = {1, 6, 5}, .post_activation = true, .width = 4, .units = 1}},
      {"bottleneck_without_data_norm", {.picture = {3, 6, 5}, .bottleneck = true, .data_norm = false, .width = 4}},
      {"large_stem_logistic", {.picture = {3, 13, 11}, .large_stem = true, .width = 4, .stride = 2}, Loss::kLogistic}};
}

class NetworkGradient : public ::testing::TestWithParam<Case> {};

/// Rectifiers bend within a step of h now and then, so that a few percent is what can be asked for here; the test
/// against LibTorch asks for more.
TEST_P(NetworkGradient, MatchesCentralDifferences) {
  const auto& [name, build, loss] = GetParam();
  Network network(testing_networks::graph(build), {.loss = loss});
  testing_networks::randomize(network.parameters(), 3);
  const Batch data = batch(network.graph(), loss, 4, 5);
  const float scale = 0.25F;
  std::vector<float> logits(at(data.pictures * network.graph().outputs()));
  network.forward_backward(data.view(), scale, false, logits);
  const std::vector<float> gradient(network.gradients().begin(), network.gradients().end());
  const float largest = std::abs(std::ranges::max(gradient, {}, [](float v) { return std::abs(v); }));
  for (const Parameter& p : network.parameters().list()) {
    if (p.is_statistic()) continue;
    for (const std::int64_t i : {std::int64_t{0}, p.size / 2, p.size - 1}) {
      float& value = network.parameters().of(p)[at(i)];
      const float before = value, h = 1e-3F;
      const auto loss_at = [&](float v) {
        value = v;
        return scale * network.forward_backward(data.view(), scale, false, logits);
      };
      const double numeric = (loss_at(before + h) - loss_at(before - h)) / (2 * h);
      value = before;
      EXPECT_NEAR(gradient[at(p.offset + i)], numeric, 0.03 * std::abs(numeric) + 0.02 * largest) << p.name << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Graphs, NetworkGradient, ::testing::ValuesIn(cases()),
                         [](const auto& row) { return row.param.name; });

struct Result {
  double loss = 0;
  std::vector<float> logits, gradients, statistics;
  bool operator==(const Result&) const = default;
};

/// Two steps of training, so that memory that was used before is used again.
Result trained(const Build& build, const NetworkOptions& options, std::int64_t pictures) {
  Network network(testing_networks::graph(build), options);
  testing_networks::randomize(network.parameters(), 3);
  Result r;
  r.logits.resize(at(pictures * build.classes));
  for (std::uint64_t step = 0; step < 2; ++step) {
    const Batch data = batch(network.graph(), options.loss, pictures, step);
    r.loss = network.forward_backward(data.view(), 1.0F / static_cast<float>(pictures), false, r.logits);
    for (std::size_t i = 0; i < network.gradients().size(); ++i)
      network.parameters().values()[i] -= 0.01F * network.gradients()[i];
  }
  r.gradients.assign(network.gradients().begin(), network.gradients().end());
  r.statistics.assign(network.parameters().statistics().begin(), network.parameters().statistics().end());
  return r;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const auto dot = [](const auto& x, const auto& y) { return std::inner_product(x.begin(), x.end(), y.begin(), 0.0); };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

TEST(Network, RepeatsItselfBitForBit) {
  const Build build{.picture = {3, 20, 17}, .width = 32, .stride = 2};
  EXPECT_EQ(trained(build, {.threads = 2}, 9), trained(build, {.threads = 2}, 9));
}

TEST(Network, AddsGradientsOfTheNextPart) {
  Network network(testing_networks::graph({}), {.threads = 2});
  testing_networks::randomize(network.parameters(), 3);
  const Batch first = batch(network.graph(), Loss::kSoftmax, 4, 1),
              second = batch(network.graph(), Loss::kSoftmax, 3, 2);
  std::vector<float> logits(20);
  const auto run = [&](const Batch& data, bool accumulate) {
    network.forward_backward(data.view(), 0.5F, accumulate, std::span(logits).first(at(data.pictures * 5)));
    return std::vector<float>(network.gradients().begin(), network.gradients().end());
  };
  const auto a = run(first, false), b = run(second, false);
  run(first, false);
  const auto sum = run(second, true);
  for (std::size_t i = 0; i < sum.size(); ++i) ASSERT_FLOAT_EQ(sum[i], a[i] + b[i]) << i;
}

TEST(Network, ScaleMultipliesTheGradientAlone) {
  Network network(testing_networks::graph({}), {});
  testing_networks::randomize(network.parameters(), 3);
  const Batch data = batch(network.graph(), Loss::kSoftmax, 4, 1);
  std::vector<float> logits(20);
  const double loss = network.forward_backward(data.view(), 1, false, logits);
  const std::vector<float> whole(network.gradients().begin(), network.gradients().end());
  EXPECT_EQ(network.forward_backward(data.view(), 0.5F, false, logits), loss);
  const float most = std::abs(std::ranges::max(whole, {}, [](float v) { return std::abs(v); }));
  for (std::size_t i = 0; i < whole.size(); ++i) ASSERT_NEAR(network.gradients()[i], whole[i] / 2, 1e-6 * most) << i;
}

TEST(Network, ForwardUsesRunningStatisticsAndLeavesThem) {
  Network network(testing_networks::graph({}), {.threads = 2});
  testing_networks::randomize(network.parameters(), 3);
  const Batch data = batch(network.graph(), Loss::kSoftmax, 4, 1);
  std::vector<float> together(20), alone(5), trained(20);
  const std::vector<float> before(network.parameters().statistics().begin(), network.parameters().statistics().end());
  const double loss = network.forward(data.view(), together);
  EXPECT_TRUE(std::ranges::equal(before, network.parameters().statistics()));
  double sum = 0;
  for (std::int64_t n = 0; n < 4; ++n) {  // a picture's answer depends on no other picture
    const std::size_t size = data.pixels.size() / 4;
    sum += network.forward({.pictures = 1,
                            .pixels = std::span(data.pixels).subspan(at(n) * size, size),
                            .labels = std::span(data.labels).subspan(at(n), 1)},
                           alone);
    for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(alone[c], together[at(n) * 5 + c], 1e-5);
  }
  EXPECT_NEAR(sum, loss, 1e-5);
  network.forward_backward(data.view(), 1, false, trained);
  EXPECT_NE(trained, together);
  EXPECT_FALSE(std::ranges::equal(before, network.parameters().statistics()));
}

/// Maps in bfloat16 have 8 bits: a network of some layers agrees with float32 to a few percent, and its gradients point
/// the same way.
class NetworkBfloat16 : public ::testing::TestWithParam<Case> {};

TEST_P(NetworkBfloat16, IsNearFloat32) {
  auto [name, build, loss] = GetParam();
  build.width = 32;
  const Result exact = trained(build, {.loss = loss}, 6);
  const Result rough = trained(build, {.loss = loss, .precision = Precision::kBFloat16}, 6);
  EXPECT_NEAR(rough.loss, exact.loss, 0.05 * exact.loss);
  EXPECT_GT(cosine(rough.gradients, exact.gradients), 0.95);
  EXPECT_GT(cosine(rough.logits, exact.logits), 0.99);
  EXPECT_GT(cosine(rough.statistics, exact.statistics), 0.999);
  EXPECT_NE(rough.logits, exact.logits);
}

INSTANTIATE_TEST_SUITE_P(Graphs, NetworkBfloat16, ::testing::ValuesIn(cases()),
                         [](const auto& row) { return row.param.name; });

TEST(Network, PlansMemoryThatGrowsWithTheBatch) {
  const Network network(testing_networks::graph({.picture = {3, 32, 32}}), {});
  const auto one = network.memory_needed(1), many = network.memory_needed(64), twice = network.memory_needed(128);
  EXPECT_GT(one, 16 * 32 * 32 * 4 * 4);  // some maps of one picture
  EXPECT_LT(one, many);
  // Scratch memory of primitives grows otherwise.
  EXPECT_NEAR(static_cast<double>(twice), 2.0 * static_cast<double>(many), 0.2 * static_cast<double>(twice));
}

TEST(Network, RefusesLabelsThatAreNoClass) {
  Network network(testing_networks::graph({}), {});
  Batch data = batch(network.graph(), Loss::kSoftmax, 2, 1);
  std::vector<float> logits(10);
  data.labels[1] = 5;
  try {
    network.forward(data.view(), logits);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    EXPECT_STREQ(error.what(), "label 5 is none of the 5 classes (0 to 4)");
  }
}

TEST(Loss, WeighsTheLabelsOfEachClass) {
  const std::vector<float> logits{0.3F, -2, 1.5F}, labels{1, 0, 1}, positive{2, 3, 4}, negative{5, 6, 7};
  std::vector<float> gradient(3);
  const PictureBatch data{.pictures = 1, .labels = labels, .negative_weights = negative, .positive_weights = positive};
  const double loss = loss_and_gradient(Loss::kLogistic, 3, data, logits, 1, gradient);
  const auto sigmoid = [](double z) { return 1 / (1 + std::exp(-z)); };
  EXPECT_NEAR(loss, -(2 * std::log(sigmoid(0.3)) + 6 * std::log(1 - sigmoid(-2)) + 4 * std::log(sigmoid(1.5))) / 3,
              1e-6);
  EXPECT_NEAR(gradient[0], 2 * (sigmoid(0.3) - 1) / 3, 1e-6);
  EXPECT_NEAR(gradient[1], 6 * sigmoid(-2) / 3, 1e-6);
  EXPECT_NEAR(gradient[2], 4 * (sigmoid(1.5) - 1) / 3, 1e-6);
}

TEST(Loss, StaysFiniteForLargeLogits) {
  const std::vector<float> logits{1000, -1000}, label{1};
  const double loss = loss_and_gradient(Loss::kSoftmax, 2, {.pictures = 1, .labels = label}, logits, 1, {});
  EXPECT_DOUBLE_EQ(loss, 2000);
  const std::vector<float> labels{0, 1};
  EXPECT_DOUBLE_EQ(loss_and_gradient(Loss::kLogistic, 2, {.pictures = 1, .labels = labels}, logits, 1, {}), 1000);
}

}  // namespace
}  // namespace clary::nn
