// SPDX-License-Identifier: Apache-2.0
// The output layer in decoding: of all words of the vocabulary only the most probable few leave it. Internal to
// decode/.
//
// -ln p(w) = ln sum_i e^(x_i) - x_w needs every logit for the sum, but few of them exactly. Where the CPU multiplies
// 8-bit numbers, the logits of a large vocabulary are computed in 8 bits, and in float32 those of the words that
// matter: all that may be among the k best (within six standard deviations of the 8-bit error), and all of a
// probability above 1/1024. What remains of the error in a cost is that of a sum over many improbable words: about
// 1e-4. With weights in 8 bits nothing is computed again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/decode/packed_weights.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

struct WordCost {
  double cost;  // -ln p(word); +inf where numbers overflow
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
  struct Scratch;

  /// Words whose logit is at least `threshold`.
  void collect(const float* logits, float threshold, Scratch& scratch) const;
  /// The logit that k words that may be chosen reach, or nearly that.
  float reached_by(std::int64_t k, const float* logits, Scratch& scratch) const;
  /// The collected words' logits become exact ones, and sum_i e^(x_i - shift) accordingly.
  double corrected(double sum, const float* features, float shift, Scratch& scratch) const;
  void best_of_row(const float* features, const float* logits, std::int64_t k, Scratch& scratch,
                   std::vector<WordCost>& out) const;
  /// Six standard deviations of an 8-bit logit.
  float screening_error(const float* features) const;
  bool is_never(std::int32_t word) const;

  std::int64_t words_;
  nn::PackedMatrix weight_;
  numeric::Floats bias_;
  numeric::Floats exact_;  // [V, width], where weight_ only screens; else empty
  float largest_norm_ = 0, largest_scale_ = 0;
  std::vector<std::int32_t> never_;  // rising, each once
};

}  // namespace clary::seq2seq
