// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/predictor.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "base/error.h"
#include "learning/nn/testing_networks.h"

namespace clary::nn {
namespace {

using numeric::at;
using testing_networks::Batch;
using testing_networks::Build;

struct Case {
  std::string name;
  Build build;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const bool bottleneck : {false, true})
    for (const bool post : {false, true})
      for (const bool projection : {false, true}) {
        Build b{.bottleneck = bottleneck, .post_activation = post, .projection = projection};
        b.picture = {3, 33, 30};
        b.large_stem = bottleneck;
        b.width = bottleneck ? 64 : 32;
        b.stride = projection ? 2 : 1;
        b.units = 3;
        out.push_back({std::string(bottleneck ? "bottleneck" : "basic") + (post ? "_post" : "_pre") +
                           (projection ? "_projected" : "_identity"),
                       b});
      }
  out.push_back({"one_channel", {.picture = {1, 11, 9}}});
  out.push_back({"odd_widths", {.picture = {3, 13, 10}, .width = 6}});
  out.push_back({"no_data_norm", {.picture = {3, 12, 12}, .data_norm = false}});
  return out;
}

struct Trained {
  Network network;
  Batch data;
  std::vector<float> logits;  // by Network::forward

  explicit Trained(const Build& build, std::int64_t pictures = 3)
      : network(testing_networks::graph(build), {}),
        data(testing_networks::batch(network.graph(), Loss::kSoftmax, pictures, 5)),
        logits(at(pictures * build.classes)) {
    testing_networks::randomize(network.parameters(), 21);
    network.forward(data.view(), logits);
  }

  Predictor predictor(const PredictorOptions& options = {}) const {
    return {network.graph(), network.parameters(), options};
  }
  std::vector<float> largest() const { return largest_values(network.graph(), network.parameters(), data.pixels); }
};

/// Largest difference, relative to the largest logit.
double distance(std::span<const float> a, std::span<const float> b) {
  double most = 0, scale = 1e-6;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max<double>(most, std::abs(a[i] - b[i]));
    scale = std::max<double>(scale, std::abs(b[i]));
  }
  return most / scale;
}

class PredictorGraph : public ::testing::TestWithParam<Case> {};

TEST_P(PredictorGraph, AnswersAsTheNetworkDoes) {
  const Trained trained(GetParam().build);
  const Predictor predictor = trained.predictor();
  std::vector<float> logits(trained.logits.size());
  predictor.run(trained.data.pictures, trained.data.pixels, logits);
  EXPECT_LT(distance(logits, trained.logits), 1e-4);
}

TEST_P(PredictorGraph, AnswersNearlySoInBfloat16) {
  const Trained trained(GetParam().build);
  const Predictor predictor = trained.predictor({.precision = ServedPrecision::kBFloat16});
  std::vector<float> logits(trained.logits.size());
  predictor.run(trained.data.pictures, trained.data.pixels, logits);
  EXPECT_LT(distance(logits, trained.logits), 0.05);
  EXPECT_GT(distance(logits, trained.logits), 1e-6);
}

TEST_P(PredictorGraph, AnswersNearlySoInIntegers) {
  const Trained trained(GetParam().build);
  const std::vector<float> largest = trained.largest();
  const Predictor predictor = trained.predictor({.precision = ServedPrecision::kInt8, .largest = largest});
  std::vector<float> logits(trained.logits.size());
  predictor.run(trained.data.pictures, trained.data.pixels, logits);
  EXPECT_LT(distance(logits, trained.logits), 0.05);
  EXPECT_GT(distance(logits, trained.logits), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Graphs, PredictorGraph, ::testing::ValuesIn(cases()),
                         [](const auto& row) { return row.param.name; });

TEST(Predictor, AnswersManyCallersAtOnce) {
  const Trained trained({.picture = {3, 33, 30}, .width = 32}, 4);
  const Predictor predictor = trained.predictor();
  std::vector<float> expected(trained.logits.size());
  predictor.run(4, trained.data.pixels, expected);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      std::vector<float> logits(expected.size());
      for (int i = 0; i < 10; ++i) {
        predictor.run(4, trained.data.pixels, logits);
        wrong[t] += logits != expected;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(Predictor, KeepsNothingOfTheNetwork) {
  auto trained = std::make_unique<Trained>(Build{});
  const Predictor predictor = trained->predictor();
  const Batch data = trained->data;
  const std::vector<float> expected = trained->logits;
  std::ranges::fill(trained->network.parameters().values(), 0.0F);
  trained.reset();
  std::vector<float> logits(expected.size());
  predictor.run(data.pictures, data.pixels, logits);
  EXPECT_LT(distance(logits, expected), 1e-4);
}

TEST(Predictor, RefusesIntegersWithoutTheMapsLargestValues) {
  const Trained trained({});
  std::vector<float> largest = trained.largest();
  const auto message = [&] {
    try {
      trained.predictor({.precision = ServedPrecision::kInt8, .largest = largest});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kInvalid);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message(), "");
  for (const float bad : {-1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    largest[3] = bad;
    EXPECT_NE(message(), "") << bad;
  }
  largest.clear();
  EXPECT_EQ(message(), fmt::format("8-bit integers need the largest value, finite and not negative, of the maps of {} "
                                   "operations; 0 are given",
                                   trained.network.graph().ops.size()));
}

// A map that was zero on all pictures of the calibration has no scale: what reads it stays float32.
TEST(Predictor, LeavesMapsWithoutALargestValueInFloat32) {
  const Trained trained({.picture = {3, 33, 30}, .width = 32});
  const std::vector<float> none(trained.network.graph().ops.size());
  std::vector<float> logits(trained.logits.size());
  trained.predictor({.precision = ServedPrecision::kInt8, .largest = none})
      .run(trained.data.pictures, trained.data.pixels, logits);
  EXPECT_LT(distance(logits, trained.logits), 1e-4);
}

TEST(Predictor, MeasuresTheMapsThatConvolutionsRead) {
  const Trained trained({.picture = {3, 13, 10}, .width = 6}, 5);
  const Graph& graph = trained.network.graph();
  const std::vector<float> all = trained.largest();
  const std::vector<bool> integers = integer_maps(graph);
  std::vector<float> by_picture(all.size());
  const std::size_t size = at(graph.input().size());
  for (std::size_t n = 0; n < 5; ++n) {
    const auto one =
        largest_values(graph, trained.network.parameters(), std::span(trained.data.pixels).subspan(n * size, size));
    for (std::size_t i = 0; i < one.size(); ++i) by_picture[i] = std::max(by_picture[i], one[i]);
  }
  EXPECT_EQ(all, by_picture);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i] > 0, integers[i]) << graph.ops[i].name;
  const auto is_integer = [&](std::string_view name) {
    return integers[at(std::ranges::find(graph.ops, name, &Op::name) - graph.ops.begin())];
  };
  EXPECT_TRUE(is_integer("unit0_bn1") && is_integer("unit1_bn2"));
  EXPECT_FALSE(is_integer("bn_data") || is_integer("bn1") || is_integer("conv0") || is_integer("unit0_plus"));
}

TEST(Predictor, MakesProbabilities) {
  std::vector<float> logits{1, 2, 0.5F, 1000, 0, -1000};
  to_probabilities(Loss::kSoftmax, 3, logits);
  EXPECT_NEAR(logits[1] / logits[0], std::exp(1), 1e-5);
  EXPECT_NEAR(logits[0] + logits[1] + logits[2], 1, 1e-6);
  EXPECT_EQ(logits[3], 1);
  EXPECT_EQ(logits[5], 0);
  logits = {0, 100, -100};
  to_probabilities(Loss::kLogistic, 3, logits);
  EXPECT_EQ(logits[0], 0.5F);
  EXPECT_EQ(logits[1], 1);
  EXPECT_NEAR(logits[2], 0, 1e-30);
}

}  // namespace
}  // namespace clary::nn
