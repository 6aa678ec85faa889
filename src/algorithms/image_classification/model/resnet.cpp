// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/resnet.h"

#include <fmt/format.h>

#include "base/error.h"

namespace clary::image_classification {
namespace {

/// Adds blocks to a graph; `at` is the operation whose output the next one reads.
class Builder {
 public:
  explicit Builder(const Description& description)
      : description_(description),
        topology_(description.topology),
        stages_(stages_of(description.layers, description.image.height)) {}

  nn::Graph build() && {
    stem();
    for (std::size_t stage = 0; stage < stages_.widths.size(); ++stage)
      for (std::int64_t unit = 0; unit < stages_.units[stage]; ++unit)
        pre_activation() ? add_pre_activation_unit(stage, unit) : add_post_activation_unit(stage, unit);
    if (pre_activation()) at_ = norm("bn1", at_, true);
    at_ = graph_.add_global_pool("pool1", at_);
    graph_.add_linear(description_.head, at_, description_.classes);
    return std::move(graph_);
  }

 private:
  bool pre_activation() const { return topology_.order == Topology::Order::kPreActivation; }
  int norm(const std::string& name, int input, bool relu) {
    return graph_.add_batch_norm(name, input, relu, topology_.epsilon);
  }

  /// Pictures of at most 32 pixels keep their size; larger ones are reduced by 4.
  void stem() {
    at_ = graph_.add_input(description_.image);
    at_ = graph_.add_batch_norm("bn_data", at_, false, topology_.epsilon, true);
    if (description_.image.height <= 32) {
      at_ = graph_.add_convolution("conv0", at_, stages_.stem_width, 3, 1, 1);
      if (!pre_activation()) at_ = norm("bn0", at_, true);
      return;
    }
    at_ = graph_.add_convolution("conv0", at_, stages_.stem_width, 7, 2, 3);
    at_ = norm("bn0", at_, true);
    at_ = graph_.add_max_pool("pooling0", at_, 3, 2, 1);
  }

  std::int64_t stride_of(std::size_t stage, std::int64_t unit) const { return unit == 0 && stage > 0 ? 2 : 1; }

  bool has_projection(std::size_t stage, std::int64_t unit) const {
    if (unit > 0) return false;
    if (topology_.projection == Topology::Projection::kEveryStage) return true;
    const auto width_before = graph_.ops[static_cast<std::size_t>(at_)].shape.channels;
    return stride_of(stage, unit) != 1 || width_before != stages_.widths[stage];
  }

  /// y = convolutions(a) + shortcut, where a = relu(bn1(x)) and the shortcut is x or its projection from a.
  void add_pre_activation_unit(std::size_t stage, std::int64_t unit) {
    const std::string name = fmt::format("stage{}_unit{}_", stage + 1, unit + 1);
    const std::int64_t width = stages_.widths[stage], stride = stride_of(stage, unit);
    const bool projected = has_projection(stage, unit);
    const int input = at_, a = norm(name + "bn1", input, true);
    int main = 0;
    if (stages_.bottleneck) {
      const std::int64_t first = topology_.stride_in_first_convolution ? stride : 1;
      main = graph_.add_convolution(name + "conv1", a, width / 4, 1, first, 0);
      main = norm(name + "bn2", main, true);
      main = graph_.add_convolution(name + "conv2", main, width / 4, 3, stride / first, 1);
      main = norm(name + "bn3", main, true);
      main = graph_.add_convolution(name + "conv3", main, width, 1, 1, 0);
    } else {
      main = graph_.add_convolution(name + "conv1", a, width, 3, stride, 1);
      main = norm(name + "bn2", main, true);
      main = graph_.add_convolution(name + "conv2", main, width, 3, 1, 1);
    }
    const int shortcut = projected ? graph_.add_convolution(name + "sc", a, width, 1, stride, 0) : input;
    at_ = graph_.add_sum(fmt::format("_plus{}", sums_++), main, shortcut);
  }

  /// y = relu(bn(convolutions(x)) + shortcut), where the shortcut is x or bn(projection(x)).
  void add_post_activation_unit(std::size_t stage, std::int64_t unit) {
    const std::string name = fmt::format("stage{}_unit{}_", stage + 1, unit + 1);
    const std::int64_t width = stages_.widths[stage], stride = stride_of(stage, unit);
    const bool projected = has_projection(stage, unit);
    const int input = at_;
    int main = 0;
    if (stages_.bottleneck) {
      const std::int64_t first = topology_.stride_in_first_convolution ? stride : 1;
      main = norm(name + "bn1", graph_.add_convolution(name + "conv1", input, width / 4, 1, first, 0), true);
      main = norm(name + "bn2", graph_.add_convolution(name + "conv2", main, width / 4, 3, stride / first, 1), true);
      main = norm(name + "bn3", graph_.add_convolution(name + "conv3", main, width, 1, 1, 0), false);
    } else {
      main = norm(name + "bn1", graph_.add_convolution(name + "conv1", input, width, 3, stride, 1), true);
      main = norm(name + "bn2", graph_.add_convolution(name + "conv2", main, width, 3, 1, 1), false);
    }
    int shortcut = input;
    if (projected)
      shortcut = norm(name + "sc", graph_.add_convolution(name + "conv1sc", input, width, 1, stride, 0), false);
    at_ = graph_.add_sum(fmt::format("_plus{}", sums_++), main, shortcut);
    at_ = graph_.add_relu(name + "relu", at_);
  }

  const Description& description_;
  const Topology& topology_;
  Stages stages_;
  nn::Graph graph_;
  int at_ = 0;
  int sums_ = 0;
};

}  // namespace

Stages stages_of(std::int64_t layers, std::int64_t height) {
  constexpr std::int64_t kSmallestBottleneck = 164;
  const auto small = [&](bool bottleneck) {
    const std::int64_t n = (layers - 2) / (bottleneck ? 9 : 6);
    return bottleneck ? Stages{true, 16, {64, 128, 256}, {n, n, n}} : Stages{false, 16, {16, 32, 64}, {n, n, n}};
  };
  if (layers == 20 || layers == 32 || layers == 44 || layers == 56 || layers == 110) return small(false);
  if (height <= 28 && (layers - 2) % 9 == 0 && layers >= kSmallestBottleneck) return small(true);
  if (height <= 28 && (layers - 2) % 6 == 0 && layers < kSmallestBottleneck) return small(false);

  const std::vector<std::int64_t> narrow{64, 128, 256, 512}, wide{256, 512, 1024, 2048};
  switch (layers) {
    case 18:
      return {false, 64, narrow, {2, 2, 2, 2}};
    case 34:
      return {false, 64, narrow, {3, 4, 6, 3}};
    case 50:
      return {true, 64, wide, {3, 4, 6, 3}};
    case 101:
      return {true, 64, wide, {3, 4, 23, 3}};
    case 152:
      return {true, 64, wide, {3, 8, 36, 3}};
    case 200:
      return {true, 64, wide, {3, 24, 36, 3}};
    default:
      throw Error(Kind::kInvalid, fmt::format("no experiments done on num_layers {}", layers));
  }
}

nn::Graph resnet(const Description& description) { return Builder(description).build(); }

}  // namespace clary::image_classification
