// SPDX-License-Identifier: Apache-2.0
// Small networks and random batches for the tests of this folder.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "learning/nn/network.h"
#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::nn::testing_networks {

using numeric::at;

/// What a network of one stage is made of.
struct Build {
  MapShape picture{3, 9, 7};
  bool large_stem = false, bottleneck = false, post_activation = false, projection = true, data_norm = true;
  std::int64_t width = 16, stride = 1, classes = 5, units = 2;
};

class Builder {
 public:
  explicit Builder(const Build& build) : b_(build) {}

  Graph graph() && {
    stem();
    for (std::int64_t unit = 0; unit < b_.units; ++unit) {
      const std::string name = "unit" + std::to_string(unit) + "_";
      b_.post_activation ? post(name, unit == 0) : pre(name, unit == 0);
    }
    if (!b_.post_activation) norm("bn1", true);
    at_ = g_.add_global_pool("pool1", at_);
    g_.add_linear("fc1", at_, b_.classes);
    return std::move(g_);
  }

 private:
  void norm(const std::string& name, bool relu) { at_ = g_.add_batch_norm(name, at_, relu, 2e-5F); }
  void convolve(const std::string& name, std::int64_t channels, std::int64_t kernel, std::int64_t stride) {
    at_ = g_.add_convolution(name, at_, channels, kernel, stride, kernel / 2);
  }

  void stem() {
    at_ = g_.add_input(b_.picture);
    if (b_.data_norm) at_ = g_.add_batch_norm("bn_data", at_, false, 2e-5F, true);
    if (b_.large_stem) {
      convolve("conv0", b_.width, 7, 2);
      norm("bn0", true);
      at_ = g_.add_max_pool("pooling0", at_, 3, 2, 1);
    } else {
      convolve("conv0", b_.width, 3, 1);
      if (b_.post_activation) norm("bn0", true);
    }
  }

  void pre(const std::string& name, bool first) {
    const std::int64_t stride = first ? b_.stride : 1;
    const int input = at_;
    norm(name + "bn1", true);
    const int a = at_;
    if (b_.bottleneck) {
      convolve(name + "conv1", b_.width / 2, 1, 1);
      norm(name + "bn2", true);
      convolve(name + "conv2", b_.width / 2, 3, stride);
      norm(name + "bn3", true);
      convolve(name + "conv3", b_.width, 1, 1);
    } else {
      convolve(name + "conv1", b_.width, 3, stride);
      norm(name + "bn2", true);
      convolve(name + "conv2", b_.width, 3, 1);
    }
    const int main = at_;
    int shortcut = input;
    if (first && b_.projection) shortcut = g_.add_convolution(name + "sc", a, b_.width, 1, stride, 0);
    at_ = g_.add_sum(name + "plus", main, shortcut);
  }

  void post(const std::string& name, bool first) {
    const std::int64_t stride = first ? b_.stride : 1;
    const int input = at_;
    if (b_.bottleneck) {
      convolve(name + "conv1", b_.width / 2, 1, 1);
      norm(name + "bn1", true);
      convolve(name + "conv2", b_.width / 2, 3, stride);
      norm(name + "bn2", true);
      convolve(name + "conv3", b_.width, 1, 1);
      norm(name + "bn3", false);
    } else {
      convolve(name + "conv1", b_.width, 3, stride);
      norm(name + "bn1", true);
      convolve(name + "conv2", b_.width, 3, 1);
      norm(name + "bn2", false);
    }
    const int main = at_;
    int shortcut = input;
    if (first && b_.projection) {
      at_ = input;
      convolve(name + "conv1sc", b_.width, 1, stride);
      norm(name + "sc", false);
      shortcut = at_;
    }
    at_ = g_.add_relu(name + "relu", g_.add_sum(name + "plus", main, shortcut));
  }

  Build b_;
  Graph g_;
  int at_ = 0;
};

inline Graph graph(const Build& build) { return Builder(build).graph(); }

/// Learned numbers and statistics that no test can mistake for their initial ones.
inline void randomize(Parameters& parameters, std::uint64_t seed) {
  parameters.initialise(seed);
  numeric::PhiloxStream random(seed, 7777);
  const auto uniform = [&] { return static_cast<float>(static_cast<double>(random.next64() >> 11) * 0x1p-53); };
  for (const Parameter& p : parameters.list()) {
    for (float& v : parameters.of(p)) {
      if (p.role == Role::kGamma) v = 0.5F + uniform();
      if (p.role == Role::kBeta || p.role == Role::kBias) v = uniform() - 0.5F;
      if (p.role == Role::kRunningMean) v = p.name == "bn_data_moving_mean" ? 90 + 60 * uniform() : uniform() - 0.5F;
      if (p.role == Role::kRunningVariance)
        v = p.name == "bn_data_moving_var" ? 4000 + 900 * uniform() : 0.5F + uniform();
    }
  }
}

/// A batch that owns its numbers.
struct Batch {
  std::int64_t pictures = 0;
  std::vector<std::uint8_t> pixels;
  std::vector<float> labels;

  PictureBatch view() const { return {.pictures = pictures, .pixels = pixels, .labels = labels}; }
};

inline Batch batch(const Graph& graph, Loss loss, std::int64_t pictures, std::uint64_t seed) {
  numeric::PhiloxStream random(seed, 1);
  Batch out{pictures, std::vector<std::uint8_t>(at(pictures * graph.input().size())), {}};
  // Pictures that differ in brightness, so that their statistics do too.
  const std::size_t size = at(graph.input().size());
  for (std::size_t i = 0; i < out.pixels.size(); ++i) {
    const auto n = i / size % 5, c = i % at(graph.input().channels);
    out.pixels[i] = static_cast<std::uint8_t>(random.next64() % (100 + 30 * n) + 10 * c);
  }
  const std::int64_t classes = graph.outputs();
  out.labels.resize(at(pictures * (loss == Loss::kLogistic ? classes : 1)));
  for (float& label : out.labels)
    label = static_cast<float>(random.next64() % (loss == Loss::kLogistic ? 2 : static_cast<std::uint64_t>(classes)));
  return out;
}

}  // namespace clary::nn::testing_networks
