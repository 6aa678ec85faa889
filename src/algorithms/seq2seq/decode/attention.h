// SPDX-License-Identifier: Apache-2.0
// Attention of the recurrent decoder during decoding, all kinds (train/attention.h has the formulas). Internal to
// decode/. Letters: d units of the decoder, A width of keys and queries, W width of the encoder's output.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "algorithms/seq2seq/decode/packed_weights.h"
#include "algorithms/seq2seq/decode/row_buffer.h"
#include "algorithms/seq2seq/decode/sentence_encoder.h"

namespace clary::seq2seq {

struct AttentionWeights {
  Attention kind;
  std::optional<nn::PackedMatrix> source, query;  // where a projection exists
  numeric::Floats v;                              // mlp: [A]

  explicit AttentionWeights(const Source& source);
};

/// Of one group of sentences. One thread.
class AttentionSteps {
 public:
  /// Keys of all positions in one product. Both must outlive this.
  AttentionSteps(const AttentionWeights& weights, const Encoded& encoded);

  /// context[r] = sum_s alpha[r, s] h_s
  /// @param query    [rows, d]
  /// @param context  [rows, W]
  void step(std::span<const std::int32_t> sentences, nn::Rows<const float> query, nn::Rows<float> context);
  /// alpha of the last step.
  const float* alpha(std::int64_t row) const { return alpha_.row(row); }

 private:
  void scores(std::int64_t sentence, const float* query, float* out) const;

  const AttentionWeights& weights_;
  const Encoded& encoded_;
  std::int64_t key_width_;
  numeric::UntouchedFloats keys_;  // [positions, A], where the source is projected
  RowBuffer queries_;              // [rows, A], where the query is projected
  RowBuffer alpha_;                // [rows, longest sentence]
};

}  // namespace clary::seq2seq
