// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/parameters.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"
#include "learning/numeric/memory.h"
#include "learning/numeric/philox.h"

namespace clary::nn {
namespace {

using numeric::at;

/// Collects the table; offsets of both flat arrays grow by whole padded parameters, so that a kernel may run over a
/// parameter's padding.
struct Builder {
  std::vector<Parameter> list;
  std::int64_t learned = 0, statistics = 0;

  void add(const std::string& owner, int op, Role role, const char* suffix, std::vector<std::int64_t> shape) {
    Parameter p{.name = owner + suffix, .op = op, .role = role, .shape = std::move(shape)};
    p.size = 1;
    for (const std::int64_t n : p.shape) p.size *= n;
    auto& end = p.is_statistic() ? statistics : learned;
    p.offset = end;
    end += numeric::padded(p.size);
    list.push_back(std::move(p));
  }

  void add_of(const Graph& graph, int number) {
    const Op& op = graph.ops[at(number)];
    if (op.inputs.empty()) return;
    const MapShape& in = graph.ops[at(op.inputs.front())].shape;
    const std::int64_t channels = op.shape.channels;
    if (op.kind == OpKind::kConvolution)
      add(op.name, number, Role::kWeight, "_weight", {channels, in.channels, op.kernel, op.kernel});
    if (op.kind == OpKind::kLinear) {
      add(op.name, number, Role::kWeight, "_weight", {channels, in.size()});
      add(op.name, number, Role::kBias, "_bias", {channels});
    }
    if (op.kind == OpKind::kBatchNorm) {
      if (!op.gamma_is_one) add(op.name, number, Role::kGamma, "_gamma", {channels});
      add(op.name, number, Role::kBeta, "_beta", {channels});
      add(op.name, number, Role::kRunningMean, "_moving_mean", {channels});
      add(op.name, number, Role::kRunningVariance, "_moving_var", {channels});
    }
  }
};

/// Uniform in (0, 1], so that its logarithm is finite.
double uniform(std::uint64_t bits) { return (static_cast<double>(bits >> 11) + 1) * 0x1p-53; }

}  // namespace

Parameters::Parameters(const Graph& graph) {
  Builder builder;
  for (std::size_t i = 0; i < graph.ops.size(); ++i) builder.add_of(graph, static_cast<int>(i));
  list_ = std::move(builder.list);
  values_.reserve(at(builder.learned));
  numeric::prefer_large_pages(values_.data(), at(builder.learned) * sizeof(float));
  values_.resize(at(builder.learned));
  statistics_.assign(at(builder.statistics), 0.0F);
  for (const Parameter& p : list_)
    if (p.role == Role::kGamma || p.role == Role::kRunningVariance) std::ranges::fill(of(p), 1.0F);
}

const Parameter* Parameters::find(std::string_view name) const {
  const auto found = std::ranges::find(list_, name, &Parameter::name);
  return found == list_.end() ? nullptr : &*found;
}

std::int64_t Parameters::learned() const {
  std::int64_t total = 0;
  for (const Parameter& p : list_)
    if (!p.is_statistic()) total += p.size;
  return total;
}

void Parameters::initialise(std::uint64_t seed) {
  for (const Parameter& p : list_)
    if (p.role == Role::kWeight) initialise(p, seed);
}

void Parameters::initialise(const Parameter& p, std::uint64_t seed) {
  if (p.role != Role::kWeight) return;
  const double fan_in = static_cast<double>(p.size / p.shape.front());
  const double deviation = std::sqrt(2 / fan_in);
  // One stream of random numbers per operation, so that a new last layer does not depend on the others' sizes. Two
  // normal numbers of each pair of uniform ones (Box and Muller, 1958).
  numeric::PhiloxStream random(seed, static_cast<std::uint64_t>(p.op));
  const auto values = of(p);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    const double radius = deviation * std::sqrt(-2 * std::log(uniform(random.next64())));
    const double angle = 2 * std::numbers::pi * uniform(random.next64());
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < values.size()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace clary::nn
