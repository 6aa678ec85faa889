// SPDX-License-Identifier: Apache-2.0
// A recurrent layer under training, either cell: its weights, what its steps keep, its gradients. Rows are those of
// PackedSteps. A time loop may be cut into ranges of rows that several threads run side by side; all else is one
// thread's. Letters: R rows, H units, G gates, I width of the input.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "algorithms/seq2seq/network/parts.h"
#include "algorithms/seq2seq/network/products.h"

namespace clary::seq2seq {

class CellLayer {
 public:
  CellLayer(const Architecture& architecture, std::string prefix, std::int64_t in, std::int64_t units);

  std::int64_t in() const { return in_; }
  std::int64_t units() const { return units_; }
  bool is_lstm() const { return cell_ == Cell::kLstm; }
  /// G H
  std::int64_t gate_width() const { return gate_width_; }

  /// Starts a pass of `rows` rows.
  void begin(const Pass& pass, std::int64_t rows);

  /// Gates before the step: W x; during backward: gradients of the sums.
  Matrix& gates() { return gates_; }
  /// States that a step starts from, [R, H]: h, and c of an LSTM.
  Matrix& before() { return before_; }
  Matrix& cell_before() { return cell_before_; }

  /// gates = x weight_ih[:, column : column + width]^T + beta gates, all rows.
  void add_input(numeric::Team& team, std::int64_t column, std::int64_t width, const nn::MatrixView& x, float beta);
  /// The same columns for a step's products.
  WeightView input_weight(std::int64_t column, std::int64_t width) const;

  /// One step of rows [row, row + n): gates() and states before hold their inputs.
  /// @param scratch  [n, G H], the calling thread's
  /// @param h        [n, H]
  void step(std::int64_t row, std::int64_t n, float* scratch, nn::Rows<float> h);
  /// States after the step of rows [row, row + n), whose h is given, become those before rows [next, next + next_n):
  /// sequence by sequence; a sequence that has none starts with zeros.
  void carry(std::int64_t row, std::int64_t n, nn::Rows<const float> h, std::int64_t next, std::int64_t next_n);
  /// @param dh, dc  [n, H]  in: gradients of the states after the step; out: of those before
  void step_backward(std::int64_t row, std::int64_t n, nn::Rows<float> dh, nn::Rows<float> dc);

  /// After all steps of backward. gradient of x [R, width] = gradient of gates * weight_ih[:, column...] + beta
  void input_backward(numeric::Team& team, std::int64_t column, std::int64_t width, float beta, float* dx) const;
  /// Gradient of weight_ih[:, column : column + width], where these columns read x.
  void input_gradient(const Pass& pass, std::int64_t column, std::int64_t width, const nn::MatrixView& x,
                      std::span<float> gradients) const;
  /// Gradients of weight_hh and of both biases.
  void gradients(const Pass& pass, std::span<float> gradients) const;

  /// Numbers that begin() takes memory for.
  static std::int64_t floats(const Architecture& architecture, std::int64_t rows, std::int64_t units);

 private:
  std::string prefix_;
  Cell cell_;
  std::int64_t in_, units_, gate_width_;
  const float *weight_ih_ = nullptr, *weight_hh_ = nullptr, *bias_ih_ = nullptr, *bias_hh_ = nullptr;
  StepMatrix recurrent_;           // h -> U h
  StepMatrix recurrent_backward_;  // gradient of U h -> of h; GRU: gates r and z
  StepMatrix candidate_backward_;  // GRU: gate n
  Matrix gates_, before_;
  Matrix candidate_;                 // GRU: U h + b of the gate n
  Matrix cell_state_, cell_before_;  // LSTM: c after and before
};

}  // namespace clary::seq2seq
