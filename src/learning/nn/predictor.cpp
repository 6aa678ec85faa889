// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/predictor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "learning/nn/predictor_plan.h"
#include "learning/numeric/index.h"

namespace clary::nn {
namespace {

using namespace onednn;
using numeric::at;

/// What one call needs for itself.
struct Worker {
  Execution execution;
  Arena arena;

  Worker(const Plan& plan, std::byte* constants) : execution(plan) {
    arena.reserve(plan.arena_bytes());
    Bases bases{};
    bases[static_cast<std::size_t>(Region::kArena)] = arena.data();
    bases[static_cast<std::size_t>(Region::kConstants)] = constants;
    execution.bind(bases);
  }
};

/// @throws Error{kInvalid}
PredictorPlanOptions plan_options(const Graph& graph, const PredictorOptions& options) {
  if (options.precision == ServedPrecision::kBFloat16) return {.type = Type::bf16};
  if (options.precision == ServedPrecision::kFloat32) return {};
  const auto is_usable = [](float v) { return std::isfinite(v) && v >= 0; };
  if (options.largest.size() != graph.ops.size() || !std::ranges::all_of(options.largest, is_usable))
    throw Error(Kind::kInvalid,
                fmt::format("8-bit integers need the largest value, finite and not negative, of the maps of {} "
                            "operations; {} are given",
                            graph.ops.size(), options.largest.size()));
  return {.largest = options.largest};
}

}  // namespace

struct Predictor::Plan {
  MapShape input;
  std::int64_t outputs = 0;
  Constants constants;
  onednn::Plan plan;  // for one picture

  std::mutex mutex;
  std::vector<std::unique_ptr<Worker>> idle;  // under the mutex

  Plan(const Graph& graph, const Parameters& parameters, const PredictorPlanOptions& options, int threads)
      : input(graph.input()),
        outputs(graph.outputs()),
        plan(PredictorPlanner(graph, parameters, options, constants).plan()) {
    numeric::Team team(threads, numeric::Team::Shared{});
    constants.write(team);
    plan.compile(team);
  }

  std::unique_ptr<Worker> take() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        auto worker = std::move(idle.back());
        idle.pop_back();
        return worker;
      }
    }
    return std::make_unique<Worker>(plan, constants.data());
  }

  void give_back(std::unique_ptr<Worker> worker) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(worker));
  }

  /// Pictures one after another.
  void run(std::span<const std::uint8_t> pixels, std::span<float> logits, std::span<float> largest) {
    const std::size_t size = at(input.size()), width = at(outputs);
    const ThreadCount one(1);
    guarded([&] {
      auto worker = take();
      for (std::size_t n = 0; n < logits.size() / width; ++n) {
        Call call{.batch = {.pictures = 1, .pixels = pixels.subspan(n * size, size)},
                  .logits = logits.subspan(n * width, width),
                  .largest = largest};
        worker->execution.run(call);
      }
      give_back(std::move(worker));
    });
  }
};

Predictor::Predictor(const Graph& graph, const Parameters& parameters, const PredictorOptions& options) {
  const ThreadCount one(1);
  plan_ =
      guarded([&] { return std::make_unique<Plan>(graph, parameters, plan_options(graph, options), options.threads); });
}
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;
Predictor::~Predictor() = default;

const MapShape& Predictor::input() const { return plan_->input; }
std::int64_t Predictor::outputs() const { return plan_->outputs; }

void Predictor::run(std::int64_t pictures, std::span<const std::uint8_t> pixels, std::span<float> logits) const {
  const std::size_t size = at(plan_->input.size()), width = at(plan_->outputs);
  if (pixels.size() != at(pictures) * size || logits.size() != at(pictures) * width)
    throw Error(Kind::kInternal, fmt::format("{} pictures of {} bytes: {} bytes given, {} logits wanted", pictures,
                                             size, pixels.size(), logits.size()));
  plan_->run(pixels, logits, {});
}

std::vector<float> largest_values(const Graph& graph, const Parameters& parameters,
                                  std::span<const std::uint8_t> pixels) {
  const ThreadCount one(1);
  std::vector<float> largest(graph.ops.size());
  std::vector<float> logits(pixels.size() / at(graph.input().size()) * at(graph.outputs()));
  guarded([&] { Predictor::Plan(graph, parameters, {.measures = true}, 1).run(pixels, logits, largest); });
  return largest;
}

}  // namespace clary::nn
