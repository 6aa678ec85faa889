// SPDX-License-Identifier: Apache-2.0
// Runs a trained graph for serving: weights reordered once, batch norms folded into the convolutions before them where
// the graph allows it, sums fused into convolutions. Many threads may call at once, each with its own scratch memory;
// one call uses one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "learning/nn/graph.h"
#include "learning/nn/network.h"
#include "learning/nn/parameters.h"

namespace clary::nn {

enum class ServedPrecision { kFloat32, kBFloat16, kInt8 };

struct PredictorOptions {
  ServedPrecision precision = ServedPrecision::kFloat32;
  /// kInt8: pictures [n, H, W, C] by whose maps the scales of the 8-bit numbers are set.
  std::span<const std::uint8_t> calibration{};
};

class Predictor {
 public:
  /// Keeps nothing of the arguments. @throws Error{kInvalid} for kInt8, which is not implemented
  Predictor(const Graph& graph, const Parameters& parameters, const PredictorOptions& options = {});
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;
  ~Predictor();

  const MapShape& input() const;
  std::int64_t outputs() const;

  /// @param pixels  [pictures, H, W, C], 0..255
  /// @param logits  [pictures, outputs]
  void run(std::int64_t pictures, std::span<const std::uint8_t> pixels, std::span<float> logits) const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

/// Rows of logits -> rows of probabilities, in place: softmax, or a sigmoid per class.
void to_probabilities(Loss loss, std::int64_t classes, std::span<float> logits);

}  // namespace clary::nn
