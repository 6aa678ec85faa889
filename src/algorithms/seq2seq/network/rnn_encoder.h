// SPDX-License-Identifier: Apache-2.0
// The recurrent encoder under training (README.md, "Encoder"): layer 1 reads in both directions, each by its true
// length; the layers above read forward. Inside, rows are those of PackedSteps over the sources by falling length.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/network/cell_layer.h"
#include "algorithms/seq2seq/network/packed_steps.h"
#include "algorithms/seq2seq/network/parts.h"

namespace clary::seq2seq {

class RnnEncoder : public Encoder {
 public:
  RnnEncoder(const Architecture& architecture, const Dropout& dropout);

  std::span<const float> forward(const Pass& pass) override;
  void backward(const Pass& pass, std::span<const float> output_gradient, std::span<float> gradients) override;

 private:
  enum class Direction { kForward, kBackward };
  /// Rows [row, row + n) of one step, and those of the step after it in the direction of reading.
  struct StepRows {
    std::int64_t row, n, next, next_n;
  };

  void order_rows(const Batch& batch);
  void embed_rows(const Pass& pass);
  void scatter_output(const Pass& pass);
  void gather_gradient(const Pass& pass, std::span<const float> output_gradient);
  StepRows step_rows(Direction direction, std::int64_t step, std::int64_t begin, std::int64_t end) const;
  void run(CellLayer& layer, Direction direction, std::int64_t begin, std::int64_t end, Matrix& out,
           std::int64_t column);
  void run_backward(CellLayer& layer, Direction direction, std::int64_t begin, std::int64_t end,
                    const Matrix& out_gradient, std::int64_t column);
  void first_layer(const Pass& pass);
  void upper_layer(const Pass& pass, std::size_t layer);
  void upper_layer_backward(const Pass& pass, std::size_t layer, std::span<float> gradients);
  void first_layer_backward(const Pass& pass, std::span<float> gradients);

  Architecture architecture_;
  Dropout dropout_;
  CellLayer forward_, backward_;  // layer 1
  std::vector<CellLayer> upper_;
  std::vector<std::int64_t> order_;    // pair of each sequence of PackedSteps
  std::vector<std::int32_t> lengths_;  // falling
  std::vector<std::int32_t> ids_;      // [R]
  PackedSteps steps_;
  Matrix embedded_;              // [R, E]
  std::vector<Matrix> outputs_;  // of each layer, [R, d]
  Matrix gradient_;              // of an output, [R, d]
  Matrix embedded_gradient_;     // [R, E]
  Matrix encoded_;               // [S * B, d]
};

}  // namespace clary::seq2seq
