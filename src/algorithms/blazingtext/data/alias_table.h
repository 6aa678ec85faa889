// SPDX-License-Identifier: Apache-2.0
// Draws words with given probabilities: Walker's alias method (A. J. Walker, 1977), exact to 2^-32 and small enough for
// the second-level cache where word2vec's table of 10^8 entries is not. A view; C++17 and constexpr, so that device
// code may call it.
#pragma once

#include <cstdint>

#include "base/split_mix.h"

namespace clary::blazingtext {

struct AliasTable {
  struct Cell {
    std::uint32_t limit = 0;
    std::int32_t other = 0;
  };
  const Cell* cells = nullptr;
  std::uint32_t size = 0;

  constexpr std::int32_t draw(SplitMix64& random) const noexcept {
    const std::uint64_t bits = random.next();
    const std::uint32_t at = SplitMix64::below(static_cast<std::uint32_t>(bits >> 32), size);
    const Cell& cell = cells[at];
    // No branch: it would be taken at random.
    const std::uint32_t own = 0U - static_cast<std::uint32_t>(static_cast<std::uint32_t>(bits) < cell.limit);
    return static_cast<std::int32_t>((at & own) | (static_cast<std::uint32_t>(cell.other) & ~own));
  }
  /// Any word but `not_this` (which may come when there is no other).
  constexpr std::int32_t draw_other(std::int32_t not_this, SplitMix64& random) const noexcept {
    std::int32_t word = draw(random);
    for (int tries = 0; word == not_this && tries < 100; ++tries) word = draw(random);
    return word;
  }
};

}  // namespace clary::blazingtext
