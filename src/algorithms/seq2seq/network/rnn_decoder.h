// SPDX-License-Identifier: Apache-2.0
// The recurrent decoder under training, with attention and input feeding (README.md, "Decoder"). Inside, rows are those
// of PackedSteps over the targets: the pairs of a batch come by falling target length. What a step needs of the step
// before is a row of the same pair, so that ranges of pairs run through all steps side by side, a thread each, without
// waiting for each other. Letters: R rows, d units, E embedding, W width of the encoder's output.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/network/attention.h"
#include "algorithms/seq2seq/network/cell_layer.h"
#include "algorithms/seq2seq/network/initial_states.h"
#include "algorithms/seq2seq/network/packed_steps.h"
#include "algorithms/seq2seq/network/parts.h"
#include "algorithms/seq2seq/network/source_rows.h"

namespace clary::seq2seq {

class RnnDecoder : public Decoder {
 public:
  RnnDecoder(const Architecture& architecture, const Dropout& dropout);

  std::span<const float> forward(const Pass& pass, std::span<const float> encoded) override;
  void backward(const Pass& pass, std::span<const float> encoded, std::span<const float> feature_gradient,
                std::span<float> gradients, std::span<float> encoded_gradient) override;

 private:
  /// Pairs of one thread.
  struct Part {
    int number;
    std::int64_t begin, end;
  };
  /// Gradients that go from step to step, and those of one step; rows are the part's pairs.
  struct Carried;

  void begin(const Pass& pass, std::span<const float> encoded);
  void assign_step_matrices(const Pass& pass);
  void run(const Pass& pass, const Part& part);
  void step(const Pass& pass, const Part& part, std::int64_t t, float* scratch);
  void step_layer(std::size_t layer, const Part& part, std::int64_t t, float* scratch);
  void run_backward(const Pass& pass, const Part& part, std::span<const float> feature_gradient);
  void step_backward(const Pass& pass, const Part& part, std::int64_t t, Carried& carried);
  void upper_layers_backward(std::int64_t row, std::int64_t n, Carried& carried);
  void hidden_backward(const Pass& pass, const Part& part, std::int64_t t, Carried& carried);
  void weight_gradients(const Pass& pass, std::span<float> gradients);
  template <class F>
  void for_each_part(const Pass& pass, F&& f);

  std::int64_t row_of(const Part& part, std::int64_t t) const { return steps_.first_row(t) + part.begin; }
  std::int64_t rows_of(const Part& part, std::int64_t t) const {
    return std::min(part.end, steps_.active(t)) - part.begin;
  }
  bool reads_context(std::size_t layer) const { return layer > 0 && architecture_.context_in_upper_layers(); }
  /// The layer whose output is the query.
  std::size_t query_layer() const { return architecture_.context_in_upper_layers() ? 0 : layers_.size() - 1; }
  bool is_residual(std::size_t layer) const { return architecture_.is_residual(static_cast<std::int64_t>(layer) + 1); }

  Architecture architecture_;
  Dropout dropout_;
  std::vector<CellLayer> layers_;
  AttentionLayer attention_;
  InitialStates initial_;
  PackedSteps steps_;
  SourceRows source_;
  int parts_ = 1;

  // Weights that every step reads: the feeding part of layer 1, hidden.weight, inputs and contexts of upper layers.
  StepWeight feeding_, hidden_weight_;
  std::vector<StepWeight> inputs_, context_inputs_;  // of layer 2 and above
  const float* hidden_bias_ = nullptr;

  std::vector<std::int32_t> ids_;        // [R]
  Matrix embedded_;                      // [R, E]; backward: unchanged
  Matrix fed_;                           // [R, d]: the attentional vector of the step before
  std::vector<Matrix> outputs_;          // of each layer, [R, d]
  Matrix contexts_;                      // [R, W]: where upper layers read them
  Matrix joined_;                        // [R, d + W]: [r ; c] after dropout
  Matrix attentional_;                   // [R, d]; backward: gradient of its sums
  Matrix embedded_gradient_;             // [R, E]
  std::vector<Matrix> state_gradients_;  // [B, d]: of initial h of each layer, then of c
  Matrix features_;                      // [T * B, d]
};

}  // namespace clary::seq2seq
