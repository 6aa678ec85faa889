// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/predictor.h"

#include <fmt/format.h>

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

Type type_of(ServedPrecision precision) {
  switch (precision) {
    case ServedPrecision::kFloat32:
      break;
    case ServedPrecision::kBFloat16:
      return Type::bf16;
    case ServedPrecision::kInt8:
      throw Error(Kind::kInvalid, "networks are not served in 8-bit integers: choose float32 or bfloat16");
  }
  return Type::f32;
}

}  // namespace

struct Predictor::Plan {
  MapShape input;
  std::int64_t outputs = 0;
  Constants constants;
  onednn::Plan plan;  // for one picture

  std::mutex mutex;
  std::vector<std::unique_ptr<Worker>> idle;  // under the mutex

  Plan(const Graph& graph, const Parameters& parameters, Type type)
      : input(graph.input()),
        outputs(graph.outputs()),
        plan(PredictorPlanner(graph, parameters, type, 1, constants).plan()) {
    constants.write();
    plan.compile();
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
};

Predictor::Predictor(const Graph& graph, const Parameters& parameters, const PredictorOptions& options) {
  const ThreadCount one(1);
  plan_ = guarded([&] { return std::make_unique<Plan>(graph, parameters, type_of(options.precision)); });
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
  const ThreadCount one(1);
  guarded([&] {
    auto worker = plan_->take();
    for (std::size_t n = 0; n < at(pictures); ++n) {
      Call call{.batch = {.pictures = 1, .pixels = pixels.subspan(n * size, size)},
                .logits = logits.subspan(n * width, width)};
      worker->execution.run(call);
    }
    plan_->give_back(std::move(worker));
  });
}

}  // namespace clary::nn
