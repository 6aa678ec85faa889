// SPDX-License-Identifier: Apache-2.0
// What kind of encoder-decoder a model is, as plain data: kinds, sizes and switches that fix its parameters' shapes and
// what is computed (README.md has the formulas). Letters: S source steps, T target steps, B rows of a batch, V words of
// a vocabulary, E width of an embedding, H units.
#pragma once

#include <cstdint>

namespace clary::seq2seq {

enum class NetworkType { kRnn, kCnn };
enum class Cell { kLstm, kGru };
enum class Attention { kMlp, kDot, kBilinear, kFixed };
enum class StateInit { kLast, kAvg, kZero };
enum class ConvActivation { kGlu, kRelu, kSoftRelu, kSigmoid, kTanh };

struct Architecture {
  NetworkType encoder = NetworkType::kRnn, decoder = NetworkType::kRnn;
  std::int64_t source_vocabulary = 0, target_vocabulary = 0;  // largest id + 1
  std::int64_t num_embed_source = 512, num_embed_target = 512;
  std::int64_t encoder_layers = 1, decoder_layers = 1;
  std::int64_t max_seq_len_source = 100, max_seq_len_target = 100;  // rows of the position tables where a side is a CNN

  // Sides that are recurrent.
  Cell cell = Cell::kLstm;
  std::int64_t rnn_hidden = 1024;  // even
  bool residual = false;
  std::int64_t first_residual_layer = 2;  // from 1
  // The recurrent decoder alone.
  Attention attention = Attention::kMlp;
  std::int64_t attention_hidden = 1024;
  bool attention_in_upper_layers = true;
  StateInit state_init = StateInit::kLast;

  // Sides that are convolutional.
  std::int64_t cnn_hidden = 512;
  std::int64_t kernel_width_encoder = 3;  // odd
  std::int64_t kernel_width_decoder = 5;
  ConvActivation activation = ConvActivation::kGlu;

  /// Width of the encoder's output per source position.
  std::int64_t encoder_width() const { return encoder == NetworkType::kRnn ? rnn_hidden : cnn_hidden; }
  /// Width of what the output layer reads per target position.
  std::int64_t decoder_width() const { return decoder == NetworkType::kRnn ? rnn_hidden : cnn_hidden; }
  /// Gate rows per unit: LSTM i, f, g, o; GRU r, z, n.
  std::int64_t gates() const { return cell == Cell::kLstm ? 4 : 3; }
  /// Each upper layer of the recurrent decoder reads [input ; context] (README.md, "Decoder").
  bool context_in_upper_layers() const { return attention_in_upper_layers && decoder_layers > 1; }
  /// Layer `layer` (from 1) adds its input to its output.
  bool is_residual(std::int64_t layer) const { return residual && layer >= first_residual_layer; }
  /// Feature maps of a convolution before its activation.
  std::int64_t conv_outputs() const { return activation == ConvActivation::kGlu ? 2 * cnn_hidden : cnn_hidden; }

  bool operator==(const Architecture&) const = default;
};

}  // namespace clary::seq2seq
