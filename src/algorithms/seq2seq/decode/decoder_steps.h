// SPDX-License-Identifier: Apache-2.0
// The decoder as beam search needs it: one step for all hypotheses of a group of sentences, each hypothesis one row,
// rows reordered, multiplied and dropped between steps. Internal to decode/. A row's result does not depend on the
// others.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "algorithms/seq2seq/decode/packed_weights.h"
#include "algorithms/seq2seq/decode/sentence_encoder.h"

namespace clary::seq2seq {

/// States of one group's hypotheses: at first one row for each sentence. One thread.
class DecoderSteps {
 public:
  virtual ~DecoderSteps() = default;
  /// Row r continues what row parents[r] was.
  virtual void select(std::span<const std::int32_t> parents) = 0;
  /// @param words      [rows]: each row's previous word
  /// @param sentences  [rows]: which sentence a row translates
  /// @return [rows, decoder_width], what the output layer reads; stays until the next step
  virtual std::span<const float> step(std::span<const std::int32_t> words, std::span<const std::int32_t> sentences) = 0;
  /// The last step's weights of a row over the positions of its sentence.
  virtual const float* attention(std::int64_t row) const = 0;
};

/// A decoder's weights. Any number of threads.
class DecoderWeights {
 public:
  virtual ~DecoderWeights() = default;
  /// @param encoded  must outlive the steps
  virtual std::unique_ptr<DecoderSteps> start(const Encoded& encoded) const = 0;
};

std::unique_ptr<const DecoderWeights> make_rnn_decoder_weights(const Source& source);
std::unique_ptr<const DecoderWeights> make_cnn_decoder_weights(const Source& source);

}  // namespace clary::seq2seq
