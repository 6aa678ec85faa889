// SPDX-License-Identifier: Apache-2.0
// The two halves of a network under training, of which each kind (recurrent, convolutional) has its own. Internal to
// network/. All arrays are time-major: row t * B + b belongs to step t of pair b. What forward() returns, and what it
// keeps for backward(), stays until the next forward(). Rows of padding hold finite numbers that nobody uses, and
// gradients that are zero.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "algorithms/seq2seq/network/network.h"

namespace clary::seq2seq {

/// What is the same for all parts of one pass over a batch.
struct Pass {
  const Parameters& parameters;
  const Batch& batch;  // pairs by falling target length
  numeric::Team& team;
  bool trains = false;  // else no dropout, and nothing is kept for backward()
  std::uint64_t dropout_seed = 0;
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  /// @return [S * B, encoder_width]
  virtual std::span<const float> forward(const Pass& pass) = 0;
  /// @param output_gradient  of what forward() returned; zero in rows of padding
  /// @param gradients        the flat array of all parameters: this part overwrites its own
  virtual void backward(const Pass& pass, std::span<const float> output_gradient, std::span<float> gradients) = 0;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// @param encoded  what the encoder's forward() returned
  /// @return [T * B, decoder_width], what the output layer reads
  virtual std::span<const float> forward(const Pass& pass, std::span<const float> encoded) = 0;
  /// @param feature_gradient  of what forward() returned
  /// @param encoded_gradient  [S * B, encoder_width]: overwritten
  virtual void backward(const Pass& pass, std::span<const float> encoded, std::span<const float> feature_gradient,
                        std::span<float> gradients, std::span<float> encoded_gradient) = 0;
};

/// Largest sizes of a batch.
struct BatchShape {
  std::int64_t rows = 0, source_steps = 0, target_steps = 0;
};

std::unique_ptr<Encoder> make_rnn_encoder(const Architecture& architecture, const Dropout& dropout);
std::unique_ptr<Encoder> make_cnn_encoder(const Architecture& architecture, const Dropout& dropout);
std::unique_ptr<Decoder> make_rnn_decoder(const Architecture& architecture, const Dropout& dropout);
std::unique_ptr<Decoder> make_cnn_decoder(const Architecture& architecture, const Dropout& dropout);

/// Numbers (of four bytes) that a part takes memory for in a pass over such a batch.
std::int64_t rnn_encoder_floats(const Architecture& architecture, const BatchShape& shape);
std::int64_t cnn_encoder_floats(const Architecture& architecture, const BatchShape& shape);
std::int64_t rnn_decoder_floats(const Architecture& architecture, const BatchShape& shape);
std::int64_t cnn_decoder_floats(const Architecture& architecture, const BatchShape& shape);

}  // namespace clary::seq2seq
