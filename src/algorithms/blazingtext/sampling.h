// SPDX-License-Identifier: Apache-2.0
// What word2vec draws: which tokens of frequent words to skip, and negative words by a power of their count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/blazingtext/random.h"

namespace clary::blazingtext {

/// Keeps a token of word w with probability min(1, sqrt(t / f_w) + t / f_w), f_w its share of all tokens.
/// Source: word2vec's code (the paper has another formula); fastText likewise.
class SubSampler {
 public:
  SubSampler(std::span<const std::int64_t> counts, std::int64_t tokens, double threshold);
  bool keeps(std::int32_t word, Random& random) const noexcept {
    const std::uint32_t limit = limits_[static_cast<std::size_t>(word)];
    return limit == kAlways || static_cast<std::uint32_t>(random.next() >> 32) < limit;
  }
  /// Tokens of the text that are kept, on average.
  double kept(std::span<const std::int64_t> counts) const;

 private:
  static constexpr std::uint32_t kAlways = ~std::uint32_t{0};
  std::vector<std::uint32_t> limits_;
};

/// Word w with probability count_w^power / sum: Walker's alias method (A. J. Walker, 1977), exact to 2^-32 and small
/// enough for the second-level cache where word2vec's table of 10^8 entries is not.
class NegativeSampler {
 public:
  /// Mikolov et al.'s power. fastText has 0.5, gensim and the original word2vec 0.75.
  static constexpr double kPower = 0.75;

  explicit NegativeSampler(std::span<const std::int64_t> counts, double power = kPower);
  std::int32_t draw(Random& random) const noexcept {
    const std::uint64_t bits = random.next();
    const auto at = Random::below(static_cast<std::uint32_t>(bits >> 32), static_cast<std::uint32_t>(cells_.size()));
    const Cell& cell = cells_[at];
    // No branch: it would be taken at random.
    const std::uint32_t own = 0U - static_cast<std::uint32_t>(static_cast<std::uint32_t>(bits) < cell.limit);
    return static_cast<std::int32_t>((at & own) | (static_cast<std::uint32_t>(cell.other) & ~own));
  }
  /// Any word but `not_this` (which may come when there is no other).
  std::int32_t draw_other(std::int32_t not_this, Random& random) const noexcept {
    std::int32_t word = draw(random);
    for (int tries = 0; word == not_this && tries < 100; ++tries) word = draw(random);
    return word;
  }

 private:
  struct Cell {
    std::uint32_t limit = 0;
    std::int32_t other = 0;
  };
  std::vector<Cell> cells_;
};

}  // namespace clary::blazingtext
