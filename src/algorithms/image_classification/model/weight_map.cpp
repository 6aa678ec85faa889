// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/weight_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using numeric::at;

// Of ImageNet's training pictures, in units of 255: what torchvision, timm and Gluon normalise by.
constexpr std::array<float, 3> kMean{0.485F, 0.456F, 0.406F}, kDeviation{0.229F, 0.224F, 0.225F};
constexpr float kLargest = 255;

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, "weights: " + message); }

/// A loop that compilers turn into vector code: whether any exponent has all bits set.
bool all_finite(std::span<const float> numbers) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t bad = 0;
  for (const float x : numbers) bad |= (std::bit_cast<std::uint32_t>(x) & kExponent) == kExponent ? 1U : 0U;
  return bad == 0;
}

class Filler {
 public:
  Filler(const WeightMap& map, const nn::Graph& graph, nn::Parameters& parameters)
      : map_(map), graph_(graph), parameters_(parameters) {}

  int run(bool with_head) {
    for (const nn::Parameter& p : parameters_.list()) {
      const nn::Op& op = graph_.ops[at(p.op)];
      if (op.kind == nn::OpKind::kLinear && !with_head) continue;
      if (op.gamma_is_one) {
        if (p.role == nn::Role::kRunningMean) fill_input_norm(op);
      } else if (map_.merged.contains(op.name)) {
        fill_merged(p, op);
      } else {
        take(p);
        if (p.role == nn::Role::kRunningVariance) adjust(p, op);
      }
    }
    return taken_;
  }

 private:
  const artifact::TensorView* find(const std::string& name) const {
    const auto found = map_.arrays.find(name);
    return found == map_.arrays.end() ? nullptr : found->second;
  }

  void take(const nn::Parameter& p) {
    const artifact::TensorView* view = find(p.name);
    if (view == nullptr) malformed(fmt::format("{} is missing", p.name));
    if (view->shape != p.shape)
      malformed(fmt::format("{} ({:.100}) has shape [{}], must be [{}]", p.name, view->name,
                            fmt::join(view->shape, ", "), fmt::join(p.shape, ", ")));
    view->copy_to(parameters_.of(p));
    check_numbers(p, view->name);
    ++taken_;
  }

  /// ReLU makes 0 of NaN: a network with one would answer, and wrongly.
  void check_numbers(const nn::Parameter& p, const std::string& name) const {
    const auto numbers = parameters_.of(p);
    const bool variance = p.role == nn::Role::kRunningVariance;
    if (!variance && all_finite(numbers)) return;
    const auto bad =
        std::ranges::find_if(numbers, [variance](float x) { return !std::isfinite(x) || (variance && x < 0); });
    if (bad != numbers.end())
      malformed(fmt::format("{} ({:.100}): number {} is {}, must be finite{}", p.name, name, bad - numbers.begin(),
                            *bad, variance ? " and at least 0" : ""));
  }

  /// gamma 1, mean 0, and a variance that epsilon makes 1.
  void fill_merged(const nn::Parameter& p, const nn::Op& op) {
    if (p.role == nn::Role::kBeta) return take(p);
    const float value = p.role == nn::Role::kRunningMean ? 0 : p.role == nn::Role::kGamma ? 1 : 1 - op.epsilon;
    std::ranges::fill(parameters_.of(p), value);
  }

  /// The file's variance + epsilon is what counts.
  void adjust(const nn::Parameter& variance, const nn::Op& op) {
    const auto other = map_.epsilons.find(op.name);
    if (other == map_.epsilons.end()) return;
    for (float& x : parameters_.of(variance)) x += other->second - op.epsilon;
  }

  std::span<float> part(const nn::Op& op, const char* suffix) {
    const nn::Parameter* p = parameters_.find(op.name + suffix);
    if (p == nullptr) throw Error(Kind::kInternal, op.name + suffix + ": no such parameter");
    return parameters_.of(*p);
  }

  /// bn_data. With n = (x/255 - mean)/std and the file's own statistics m, v of n, what the network sees is
  /// (n - m)/sqrt(v + e) = (x - 255 (mean + std m)) / sqrt((255 std)^2 (v + e)).
  void fill_input_norm(const nn::Op& op) {
    const auto mean = part(op, "_moving_mean"), variance = part(op, "_moving_var"), beta = part(op, "_beta");
    std::ranges::fill(mean, 0.0F);
    std::ranges::fill(variance, 1 - op.epsilon);
    std::ranges::fill(beta, 0.0F);
    if (find(op.name + "_moving_mean") != nullptr)
      for (const char* suffix : {"_moving_mean", "_moving_var", "_beta"}) take(*parameters_.find(op.name + suffix));
    if (!map_.normalised_input) return;
    check_gamma(op);
    if (mean.size() != kMean.size())
      malformed(fmt::format("they are for pictures of 3 channels, the network reads {}", mean.size()));
    const auto other = map_.epsilons.find(op.name);
    const float epsilon = other == map_.epsilons.end() ? op.epsilon : other->second;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const float scale = kLargest * kDeviation[c];
      mean[c] = kLargest * kMean[c] + scale * mean[c];
      variance[c] = scale * scale * (variance[c] + epsilon) - op.epsilon;
    }
  }

  /// MXNet's own networks ignore this gamma, others might have learned it.
  void check_gamma(const nn::Op& op) const {
    const artifact::TensorView* gamma = find(op.name + "_gamma");
    if (gamma == nullptr) return;
    std::vector<float> values(at(gamma->size()));
    gamma->copy_to(values);
    if (std::ranges::any_of(values, [](float x) { return x != 1; }))
      malformed(fmt::format("{:.100}: the first batch norm has a gamma that is not one", gamma->name));
  }

  const WeightMap& map_;
  const nn::Graph& graph_;
  nn::Parameters& parameters_;
  int taken_ = 0;
};

}  // namespace

int fill(const WeightMap& map, const nn::Graph& graph, nn::Parameters& parameters, bool with_head) {
  return Filler(map, graph, parameters).run(with_head);
}

}  // namespace clary::image_classification
