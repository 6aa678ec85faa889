// SPDX-License-Identifier: Apache-2.0
// The pictures that are kept; a small network that has learned something answers in int8 as it does in float32.
#include "algorithms/image_classification/train/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "algorithms/image_classification/model/resnet.h"
#include "learning/nn/network.h"
#include "learning/nn/predictor.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using numeric::at;

constexpr std::int64_t kEdge = 16, kClasses = 4, kBytes = 3 * kEdge * kEdge;

nn::Graph small_network() { return resnet({.layers = 20, .image = {3, kEdge, kEdge}, .classes = kClasses}); }

struct Pictures {
  std::vector<std::uint8_t> pixels;
  std::vector<float> labels;

  nn::PictureBatch view() const { return {.pictures = std::ssize(labels), .pixels = pixels, .labels = labels}; }
};

/// Class c is a bright square in corner c, on noise.
Pictures corners(std::int64_t count, std::uint64_t seed) {
  numeric::PhiloxStream random(seed, 0);
  Pictures out;
  for (std::int64_t n = 0; n < count; ++n) {
    const auto c = static_cast<std::int64_t>(random.next64() % kClasses);
    for (std::int64_t y = 0; y < kEdge; ++y)
      for (std::int64_t x = 0; x < kEdge; ++x)
        for (int colour = 0; colour < 3; ++colour) {
          const bool inside = (y >= kEdge / 2) == (c >= 2) && (x >= kEdge / 2) == (c % 2 == 1);
          out.pixels.push_back(static_cast<std::uint8_t>(random.next64() % 180 + (inside ? 60 : 0)));
        }
    out.labels.push_back(static_cast<float>(c));
  }
  return out;
}

nn::Network trained() {
  nn::Network network(small_network(), {});
  network.parameters().initialise(3);
  std::vector<float> momentum(network.gradients().size());
  for (std::uint64_t step = 0; step < 40; ++step) {
    const Pictures batch = corners(32, step);
    std::vector<float> logits(32 * kClasses);
    network.forward_backward(batch.view(), 1 / 32.0F, false, logits);
    for (std::size_t i = 0; i < momentum.size(); ++i) {
      momentum[i] = 0.9F * momentum[i] + network.gradients()[i];
      network.parameters().values()[i] -= 0.02F * momentum[i];
    }
  }
  return network;
}

/// Pictures whose highest logit is that of their label.
std::int64_t right(const Pictures& pictures, std::span<const float> logits) {
  std::int64_t count = 0;
  for (std::size_t n = 0; n < pictures.labels.size(); ++n) {
    const auto row = logits.subspan(n * kClasses, kClasses);
    count += static_cast<float>(std::ranges::max_element(row) - row.begin()) == pictures.labels[n];
  }
  return count;
}

TEST(Calibration, ATrainedNetworkAnswersInIntegersAsInFloat32) {
  const nn::Network network = trained();
  const nn::Graph& graph = network.graph();
  Calibration calibration(graph);
  calibration.add(corners(100, 1000).pixels);
  const Calibration::Result result = calibration.measure(network.parameters());
  EXPECT_GE(result.same, 98);
  std::vector<float> largest;
  for (const nn::Op& op : graph.ops)
    largest.push_back(result.largest.contains(op.name) ? result.largest.at(op.name) : 0);

  const Pictures tests = corners(300, 2000);
  std::vector<float> exact(300 * kClasses), integers(exact.size());
  nn::Predictor(graph, network.parameters()).run(300, tests.pixels, exact);
  nn::Predictor(graph, network.parameters(), {.precision = nn::ServedPrecision::kInt8, .largest = largest})
      .run(300, tests.pixels, integers);
  EXPECT_GT(right(tests, exact), 200) << "it has learned something";
  EXPECT_NEAR(static_cast<double>(right(tests, integers)), static_cast<double>(right(tests, exact)), 3);
  nn::to_probabilities(nn::Loss::kSoftmax, kClasses, exact);
  nn::to_probabilities(nn::Loss::kSoftmax, kClasses, integers);
  double difference = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) difference += std::abs(exact[i] - integers[i]);
  EXPECT_LT(difference / static_cast<double>(exact.size()), 0.01);
}

TEST(Calibration, KeepsASampleOfAPass) {
  Calibration calibration(small_network());
  std::vector<std::uint8_t> pixels;
  for (int picture = 0; picture < 1000; ++picture)
    pixels.insert(pixels.end(), at(kBytes), static_cast<std::uint8_t>(picture / 4));
  calibration.begin_pass();
  calibration.add(std::span(pixels).first(at(kBytes * 300)));
  calibration.add(std::span(pixels).subspan(at(kBytes * 300)));
  EXPECT_EQ(calibration.pictures(), 256);
  const auto first = calibration.measure(nn::Network(small_network(), {}).parameters()).largest;
  calibration.begin_pass();
  EXPECT_EQ(calibration.pictures(), 0);
  calibration.add(pixels);
  EXPECT_EQ(calibration.measure(nn::Network(small_network(), {}).parameters()).largest, first)
      << "however the pictures come";
}

TEST(Calibration, IsEmptyWithoutPicturesOrWithNumbersThatAreNotFinite) {
  nn::Parameters parameters(small_network());
  parameters.initialise(1);
  Calibration calibration(small_network());
  EXPECT_TRUE(calibration.measure(parameters).largest.empty());
  calibration.add(corners(2, 1).pixels);
  EXPECT_EQ(calibration.measure(parameters).largest.size(), 18U) << "all convolutions but the first; projections share";
  std::ranges::fill(parameters.of(*parameters.find("bn_data_beta")), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(calibration.measure(parameters).largest.empty());
}

}  // namespace
}  // namespace clary::image_classification
