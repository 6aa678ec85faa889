// SPDX-License-Identifier: Apache-2.0
// Runs a trained graph for serving: weights reordered once, batch norms folded into the convolutions before them where
// the graph allows it, sums fused into convolutions. Many threads may call at once, each with its own scratch memory;
// one call uses one thread.
//
// In 8-bit integers a map that is never negative and that a convolution reads is bytes, 255 being the largest value
// that was met on pictures for calibration; weights are signed bytes with a scale for each output channel; sums have 32
// bits (Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
// CVPR 2018, section 2, with zero as the zero point). The first convolution, the shortcuts' sums and the last layer
// stay float32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "learning/nn/graph.h"
#include "learning/nn/network.h"
#include "learning/nn/parameters.h"

namespace clary::nn {

enum class ServedPrecision { kFloat32, kBFloat16, kInt8 };

struct PredictorOptions {
  ServedPrecision precision = ServedPrecision::kFloat32;
  /// kInt8: what largest_values() gave, by operation.
  std::vector<float> largest{};
  int threads = 1;  // that prepare the weights
};

/// Whether the output of each operation is 8-bit integers in kInt8: a convolution reads it, and it is never negative.
std::vector<bool> integer_maps(const Graph& graph);

class Predictor {
 public:
  /// Keeps nothing of the arguments.
  /// @throws Error{kInvalid} for kInt8 unless options.largest has a finite number, not negative, for each operation
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
  friend std::vector<float> largest_values(const Graph&, const Parameters&, std::span<const std::uint8_t>);
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

/// The largest value of each of the integer_maps() over some pictures, in float32; 0 for other operations.
/// @param pixels  [n, H, W, C]
std::vector<float> largest_values(const Graph& graph, const Parameters& parameters,
                                  std::span<const std::uint8_t> pixels);

/// Rows of logits -> rows of probabilities, in place: softmax, or a sigmoid per class.
void to_probabilities(Loss loss, std::int64_t classes, std::span<float> logits);

}  // namespace clary::nn
