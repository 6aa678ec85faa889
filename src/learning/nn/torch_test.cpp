// SPDX-License-Identifier: Apache-2.0
// The same graphs on LibTorch's autograd, which shares no line with the planner: loss, logits, every gradient and the
// running statistics of one step of training.
#include <gtest/gtest.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <torch/torch.h>
#pragma GCC diagnostic pop

#include <fmt/format.h>

#include <map>

#include "learning/nn/network.h"
#include "learning/nn/testing_networks.h"

namespace clary::nn {
namespace {

using numeric::at;
using testing_networks::Batch;
using testing_networks::Build;
using Tensors = std::map<std::string, torch::Tensor>;

Tensors tensors(const Parameters& parameters, const Graph& graph) {
  Tensors out;
  for (const Parameter& p : parameters.list()) {
    const auto values = parameters.of(p);
    out[p.name] = torch::from_blob(const_cast<float*>(values.data()), p.shape).clone().to(torch::kDouble);
    if (!p.is_statistic()) out[p.name].requires_grad_(true);
  }
  for (const Op& op : graph.ops)
    if (op.gamma_is_one) out[op.name + "_gamma"] = torch::ones({op.shape.channels}, torch::kDouble);
  return out;
}

/// Batch norm with the running statistics of MXNet: biased variance.
torch::Tensor normalize(const Op& op, const torch::Tensor& x, Tensors& t, bool training) {
  auto mean = t[op.name + "_moving_mean"], variance = t[op.name + "_moving_var"];
  if (training) {
    const auto batch_mean = x.mean({0, 2, 3}), batch_variance = x.var({0, 2, 3}, false);
    t[op.name + "_moving_mean"] = (0.9 * mean + 0.1 * batch_mean).detach();
    t[op.name + "_moving_var"] = (0.9 * variance + 0.1 * batch_variance).detach();
    mean = batch_mean, variance = batch_variance;
  }
  const auto by_channel = [](const torch::Tensor& v) { return v.view({1, -1, 1, 1}); };
  const auto y =
      (x - by_channel(mean)) / torch::sqrt(by_channel(variance) + op.epsilon) * by_channel(t[op.name + "_gamma"]) +
      by_channel(t[op.name + "_beta"]);
  return op.relu ? torch::relu(y) : y;
}

torch::Tensor logits_of(const Graph& graph, const torch::Tensor& pictures, Tensors& t, bool training) {
  std::vector<torch::Tensor> maps;
  for (const Op& op : graph.ops) {
    const auto in = [&](std::size_t i) { return maps[at(op.inputs[i])]; };
    switch (op.kind) {
      case OpKind::kInput:
        maps.push_back(pictures);
        break;
      case OpKind::kConvolution:
        maps.push_back(torch::conv2d(in(0), t[op.name + "_weight"], {}, op.stride, op.pad));
        break;
      case OpKind::kBatchNorm:
        maps.push_back(normalize(op, in(0), t, training));
        break;
      case OpKind::kRelu:
        maps.push_back(torch::relu(in(0)));
        break;
      case OpKind::kMaxPool:
        maps.push_back(torch::max_pool2d(in(0), op.kernel, op.stride, op.pad));
        break;
      case OpKind::kAdd:
        maps.push_back(in(0) + in(1));
        break;
      case OpKind::kGlobalPool:
        maps.push_back(in(0).mean({2, 3}, true));
        break;
      case OpKind::kLinear:
        maps.push_back(torch::linear(in(0).flatten(1), t[op.name + "_weight"], t[op.name + "_bias"]));
        break;
    }
  }
  return maps.back().flatten(1);
}

torch::Tensor loss_of(Loss loss, const torch::Tensor& logits, const torch::Tensor& labels) {
  if (loss == Loss::kSoftmax)
    return torch::nll_loss(torch::log_softmax(logits, 1), labels.to(torch::kLong), {}, at::Reduction::Sum);
  return torch::binary_cross_entropy_with_logits(logits, labels.view_as(logits), {}, {}, at::Reduction::Sum) /
         logits.size(1);
}

torch::Tensor pictures_of(const Graph& graph, const Batch& data) {
  const MapShape& shape = graph.input();
  return torch::from_blob(const_cast<std::uint8_t*>(data.pixels.data()),
                          {data.pictures, shape.height, shape.width, shape.channels}, torch::kUInt8)
      .permute({0, 3, 1, 2})
      .to(torch::kDouble);
}

/// Largest difference, relative to the largest number.
double distance(const torch::Tensor& theirs, std::span<const float> own) {
  const auto t = theirs.detach().to(torch::kDouble).contiguous().flatten();
  const auto o =
      torch::from_blob(const_cast<float*>(own.data()), {static_cast<std::int64_t>(own.size())}).to(torch::kDouble);
  return ((t - o).abs().max() / t.abs().max().clamp_min(1e-6)).item<double>();
}

struct Case {
  std::string name;
  Build build;
  std::int64_t pictures = 4;
  Loss loss = Loss::kSoftmax;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  std::int64_t pictures = 2;
  for (const bool large : {false, true})
    for (const bool bottleneck : {false, true})
      for (const bool post : {false, true})
        for (const bool projection : {false, true}) {
          Build b{.large_stem = large, .bottleneck = bottleneck, .post_activation = post, .projection = projection};
          b.picture = large ? MapShape{3, 37, 29} : MapShape{3, 12, 15};
          b.width = bottleneck ? 64 : 32;  // Winograd's products in the 3x3 convolutions
          b.stride = projection ? 2 : 1;
          out.push_back({fmt::format("{}_{}_{}_{}", large ? "large" : "small", bottleneck ? "bottleneck" : "basic",
                                     post ? "post" : "pre", projection ? "projected" : "identity"),
                         b, pictures, projection ? Loss::kSoftmax : Loss::kLogistic});
          pictures = pictures == 5 ? 2 : pictures + 1;
        }
  out.push_back({"one_channel", {.picture = {1, 11, 9}}, 3});
  out.push_back({"odd_widths", {.picture = {3, 13, 10}, .width = 6, .stride = 2, .classes = 3}, 5});
  out.push_back(
      {"odd_widths_bottleneck", {.picture = {3, 13, 10}, .bottleneck = true, .post_activation = true, .width = 10}, 5});
  out.push_back({"one_picture", {.picture = {3, 32, 32}, .width = 16}, 1});
  out.push_back({"no_data_norm", {.picture = {3, 12, 12}, .data_norm = false}, 3});
  return out;
}

class NetworkTorch : public ::testing::TestWithParam<Case> {};

/// float64 there and float32 here. Winograd's transforms in float32 have errors of up to some 1e-5 of the largest
/// value, and each batch norm divides by a deviation: 1e-3 of a parameter's largest gradient is the most that is seen.
TEST_P(NetworkTorch, AutogradGivesTheSameStep) {
  const auto& [name, build, pictures, loss] = GetParam();
  Network network(testing_networks::graph(build), {.loss = loss, .threads = 2});
  testing_networks::randomize(network.parameters(), 11);
  const Batch data = testing_networks::batch(network.graph(), loss, pictures, 5);
  Tensors t = tensors(network.parameters(), network.graph());

  const auto theirs = logits_of(network.graph(), pictures_of(network.graph(), data), t, true);
  const auto labels =
      torch::from_blob(const_cast<float*>(data.labels.data()), {static_cast<std::int64_t>(data.labels.size())})
          .to(torch::kDouble);
  const auto their_loss = loss_of(loss, theirs, labels);
  const float scale = 0.5F;
  (scale * their_loss).backward();

  std::vector<float> logits(at(data.pictures * build.classes));
  const double our_loss = network.forward_backward(data.view(), scale, false, logits);
  EXPECT_NEAR(our_loss, their_loss.item<double>(), 1e-4 * their_loss.item<double>());
  EXPECT_LT(distance(theirs, logits), 1e-4);
  for (const Parameter& p : network.parameters().list()) {
    if (p.is_statistic())
      EXPECT_LT(distance(t[p.name], network.parameters().of(p)), 1e-5) << p.name;
    else
      EXPECT_LT(distance(t[p.name].grad(), network.gradients().subspan(at(p.offset), at(p.size))), 1e-3) << p.name;
  }
}

TEST_P(NetworkTorch, RunningStatisticsGiveTheSameAnswer) {
  const auto& [name, build, pictures, loss] = GetParam();
  Network network(testing_networks::graph(build), {.loss = loss, .threads = 2});
  testing_networks::randomize(network.parameters(), 12);
  const Batch data = testing_networks::batch(network.graph(), loss, pictures, 6);
  Tensors t = tensors(network.parameters(), network.graph());
  std::vector<float> logits(at(data.pictures * build.classes));
  network.forward(data.view(), logits);
  EXPECT_LT(distance(logits_of(network.graph(), pictures_of(network.graph(), data), t, false), logits), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Graphs, NetworkTorch, ::testing::ValuesIn(cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace clary::nn
