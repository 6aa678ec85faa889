// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <list>
#include <utility>

#include "base/error.h"
#include "learning/nn/network_plan.h"
#include "learning/nn/plan.h"
#include "learning/numeric/index.h"

namespace clary::nn {
namespace {

using namespace onednn;
using numeric::at;

/// Plans of recent batch sizes: a training alternates between full batches, the last of an epoch, and parts of them.
constexpr std::size_t kPlansKept = 4;

struct Planned {
  std::int64_t pictures = 0;
  bool training = false;
  Plan plan;
  std::unique_ptr<Execution> execution;  // made at the first run
};

std::byte* bytes_of(std::span<float> values) { return reinterpret_cast<std::byte*>(values.data()); }

void check(const Graph& graph, Loss loss, const PictureBatch& batch, std::span<const float> logits) {
  const std::int64_t classes = graph.outputs();
  const auto expect = [](const char* what, std::size_t given, std::int64_t wanted) {
    if (given != at(wanted)) throw Error(Kind::kInternal, fmt::format("{}: {} numbers, not {}", what, given, wanted));
  };
  if (batch.pictures < 1) throw Error(Kind::kInternal, "a batch without pictures");
  expect("pixels", batch.pixels.size(), batch.pictures * graph.input().size());
  expect("labels", batch.labels.size(), batch.pictures * (loss == Loss::kLogistic ? classes : 1));
  expect("logits", logits.size(), batch.pictures * classes);
  for (const auto& weights : {batch.negative_weights, batch.positive_weights})
    if (!weights.empty()) expect("weights of classes", weights.size(), classes);
}

}  // namespace

struct Network::Plans {
  Graph graph;
  NetworkOptions options;
  Parameters parameters;
  numeric::Floats gradients;
  numeric::Floats part;       // gradients of one part of a batch, to be added; empty until that is asked for
  std::list<Planned> recent;  // latest first
  Arena arena;

  Plans(Graph g, const NetworkOptions& o)
      : graph(std::move(g)), options(o), parameters(graph), gradients(parameters.values().size()) {}

  Plan make(std::int64_t pictures, bool training) const {
    return NetworkPlanner(graph, parameters, options, pictures, training).plan();
  }

  Planned& planned(std::int64_t pictures, bool training) {
    auto found = std::ranges::find_if(
        recent, [&](const Planned& p) { return p.pictures == pictures && p.training == training; });
    if (found == recent.end()) {
      if (recent.size() == kPlansKept) recent.pop_back();
      recent.push_front({pictures, training, make(pictures, training), nullptr});
    } else {
      recent.splice(recent.begin(), recent, found);
    }
    return recent.front();
  }

  double run(bool training, std::span<float> gradient, Call& call) {
    const ThreadCount threads(options.threads);
    Planned& p = planned(call.batch.pictures, training);
    if (!p.execution) {
      p.plan.compile();
      p.execution = std::make_unique<Execution>(p.plan);
    }
    arena.reserve(p.plan.arena_bytes());
    Bases bases{};
    bases[static_cast<std::size_t>(Region::kArena)] = arena.data();
    bases[static_cast<std::size_t>(Region::kValues)] = bytes_of(parameters.values());
    bases[static_cast<std::size_t>(Region::kGradients)] = bytes_of(gradient);
    bases[static_cast<std::size_t>(Region::kStatistics)] = bytes_of(parameters.statistics());
    p.execution->bind(bases);
    p.execution->run(call);
    return call.loss;
  }
};

Network::Network(Graph graph, const NetworkOptions& options)
    : plans_(std::make_unique<Plans>(std::move(graph), options)) {}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

const Graph& Network::graph() const { return plans_->graph; }
Parameters& Network::parameters() { return plans_->parameters; }
const Parameters& Network::parameters() const { return plans_->parameters; }
std::span<float> Network::gradients() { return plans_->gradients; }

std::int64_t Network::memory_needed(std::int64_t pictures) const {
  return guarded([&] {
    const ThreadCount threads(plans_->options.threads);
    return plans_->make(pictures, true).arena_bytes();
  });
}

double Network::forward_backward(const PictureBatch& batch, float scale, bool accumulate, std::span<float> logits) {
  Plans& p = *plans_;
  check(p.graph, p.options.loss, batch, logits);
  return guarded([&] {
    Call call{.batch = batch, .scale = scale, .logits = logits};
    if (!accumulate) return p.run(true, p.gradients, call);
    p.part.resize(p.gradients.size());
    const double loss = p.run(true, p.part, call);
    std::ranges::transform(p.gradients, p.part, p.gradients.begin(), std::plus{});
    return loss;
  });
}

double Network::forward(const PictureBatch& batch, std::span<float> logits) {
  Plans& p = *plans_;
  check(p.graph, p.options.loss, batch, logits);
  return guarded([&] {
    Call call{.batch = batch, .logits = logits};
    return p.run(false, p.gradients, call);
  });
}

bool has_fast_bfloat16() {
  const auto isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
}

}  // namespace clary::nn
