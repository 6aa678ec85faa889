// SPDX-License-Identifier: Apache-2.0
// The output layer in decoding: of all words of the vocabulary only the most probable few leave it. Internal to
// decode/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/decode/packed_weights.h"

namespace clary::seq2seq {

struct WordCost {
  double cost;  // -ln p(word)
  std::int32_t word;
};

class OutputLayer {
 public:
  /// @param never  words that are never chosen, beside kPad and kBegin; they keep their share of the probability
  /// @throws Error{kInvalid} when no word is left
  OutputLayer(const Source& source, std::span<const std::int32_t> never);

  /// Words that may be chosen.
  std::int64_t choices() const { return words_ - static_cast<std::int64_t>(never_.size()); }
  /// For each row of features its k most probable words, the most probable first, equal ones by rising id.
  /// @param features  [rows, width]
  /// @param k         1 .. choices()
  /// @param out       [rows, k]
  void best(std::int64_t rows, std::span<const float> features, std::int64_t k, std::vector<WordCost>& out) const;

 private:
  void best_of_row(float* logits, std::int64_t k, std::vector<WordCost>& out) const;

  std::int64_t words_;
  nn::PackedMatrix weight_;
  numeric::Floats bias_;
  std::vector<std::int32_t> never_;  // rising, each once
};

}  // namespace clary::seq2seq
