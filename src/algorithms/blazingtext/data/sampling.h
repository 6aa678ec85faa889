// SPDX-License-Identifier: Apache-2.0
// What word2vec draws: which tokens of frequent words to skip, and negative words by a power of their count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/blazingtext/data/alias_table.h"
#include "base/split_mix.h"

namespace clary::blazingtext {

/// Keeps a token of word w with probability min(1, sqrt(t / f_w) + t / f_w), f_w its share of all tokens.
/// Source: word2vec's code (the paper has another formula); fastText likewise.
class SubSampler {
 public:
  SubSampler(std::span<const std::int64_t> counts, std::int64_t tokens, double threshold);
  bool keeps(std::int32_t word, SplitMix64& random) const noexcept {
    const std::uint32_t limit = limits_[static_cast<std::size_t>(word)];
    return limit == kAlways || static_cast<std::uint32_t>(random.next() >> 32) < limit;
  }
  /// Tokens of the text that are kept, on average.
  double kept(std::span<const std::int64_t> counts) const;

 private:
  static constexpr std::uint32_t kAlways = ~std::uint32_t{0};
  std::vector<std::uint32_t> limits_;
};

/// Word w with probability count_w^power / sum.
class NegativeSampler {
 public:
  /// Mikolov et al.'s power. fastText has 0.5, gensim and the original word2vec 0.75.
  static constexpr double kPower = 0.75;

  explicit NegativeSampler(std::span<const std::int64_t> counts, double power = kPower);
  std::int32_t draw(SplitMix64& random) const noexcept { return table().draw(random); }
  std::int32_t draw_other(std::int32_t not_this, SplitMix64& random) const noexcept {
    return table().draw_other(not_this, random);
  }
  AliasTable table() const noexcept { return {cells_.data(), static_cast<std::uint32_t>(cells_.size())}; }

 private:
  std::vector<AliasTable::Cell> cells_;
};

}  // namespace clary::blazingtext
