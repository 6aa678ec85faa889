// SPDX-License-Identifier: Apache-2.0
// First states of the recurrent decoder's layers: tanh(W x + b) of x = the encoder's last output or the mean of its
// outputs, with weights of its own for every state; or zeros.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "algorithms/seq2seq/network/parts.h"
#include "algorithms/seq2seq/network/products.h"
#include "algorithms/seq2seq/network/source_rows.h"

namespace clary::seq2seq {

class InitialStates {
 public:
  explicit InitialStates(const Architecture& architecture)
      : kind_(architecture.state_init), units_(architecture.rnn_hidden) {}

  void begin(const Pass& pass, const SourceRows& source);
  /// @param name    "decoder.init.0.h"
  /// @param states  [B, d]: overwritten
  void assign(const Pass& pass, const std::string& name, float* states) const;

  void begin_backward();
  /// @param states    [B, d], as assign() left them
  /// @param gradient  [B, d] of them; used up
  void add_backward(const Pass& pass, const std::string& name, const float* states, float* gradient,
                    std::span<float> gradients);
  /// Adds to the source's gradient.
  void finish_backward(SourceRows& source) const;

 private:
  StateInit kind_;
  std::int64_t units_;
  Matrix summary_, summary_gradient_;  // [B, W]
};

}  // namespace clary::seq2seq
