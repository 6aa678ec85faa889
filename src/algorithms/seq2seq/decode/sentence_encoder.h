// SPDX-License-Identifier: Apache-2.0
// The encoder as decoding needs it: forward only, sentences without padding, the calling thread alone. Internal to
// decode/. A sentence's result does not depend on the others.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "algorithms/seq2seq/decode/packed_weights.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

/// A piece of a sentence: ids of the source vocabulary, at least one.
using Ids = std::span<const std::int32_t>;

/// The encoder's output, the positions of a sentence side by side.
struct Encoded {
  std::vector<std::int64_t> first;  // [sentences + 1]: rows
  std::int64_t width = 0;
  numeric::UntouchedFloats values;  // [positions of all, width]

  std::int64_t sentences() const { return static_cast<std::int64_t>(first.size()) - 1; }
  std::int64_t positions() const { return first.back(); }
  std::int64_t length(std::int64_t sentence) const {
    return first[numeric::at(sentence) + 1] - first[numeric::at(sentence)];
  }
  const float* row(std::int64_t r) const { return values.data() + r * width; }
  const float* of(std::int64_t sentence) const { return row(first[numeric::at(sentence)]); }

  /// Room for sentences of these lengths.
  Encoded(std::span<const Ids> sentences, std::int64_t width);
};

class SentenceEncoder {
 public:
  virtual ~SentenceEncoder() = default;
  /// @param sentences  of falling length; ids within the vocabulary
  virtual Encoded encode(std::span<const Ids> sentences) const = 0;
};

std::unique_ptr<const SentenceEncoder> make_sentence_encoder(const Source& source);

std::unique_ptr<const SentenceEncoder> make_rnn_sentence_encoder(const Source& source);
std::unique_ptr<const SentenceEncoder> make_cnn_sentence_encoder(const Source& source);

}  // namespace clary::seq2seq
