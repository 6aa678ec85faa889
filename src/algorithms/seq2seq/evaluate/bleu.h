// SPDX-License-Identifier: Apache-2.0
// BLEU of a corpus, as Sockeye 1.10 computes it during training: 0 to 1, over whole words, one reference each. Scores
// of sacreBLEU are on another scale (0 to 100, its own words).
// Source: Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002. Differs: an
// order without a match counts as 0.01 matches, and orders that no hypothesis is long enough for are left out of the
// mean.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace clary::seq2seq {

/// Counts of a corpus, which add up.
class Bleu {
 public:
  /// @param hypothesis, reference  ids of the target vocabulary; unknown words are equal to each other
  void add(std::span<const std::int32_t> hypothesis, std::span<const std::int32_t> reference);
  Bleu& operator+=(const Bleu& other);

  /// exp(mean over orders of ln(matches / n-grams) + min(0, 1 - reference length / hypothesis length)); 0 when all
  /// hypotheses are empty.
  double score() const;
  /// Words of all hypotheses.
  std::int64_t hypothesis_length() const { return hypothesis_length_; }

 private:
  static constexpr std::size_t kOrders = 4;

  std::array<std::int64_t, kOrders> matches_{}, total_{};
  std::int64_t hypothesis_length_ = 0, reference_length_ = 0;
};

}  // namespace clary::seq2seq
