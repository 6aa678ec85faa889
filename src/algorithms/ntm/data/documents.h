// SPDX-License-Identifier: Apache-2.0
// Documents as the maths sees them: sparse rows of word counts, all checked (finite, not negative, not empty).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clary::ntm {

/// One bag of words. Words strictly ascending.
struct Document {
  const std::int32_t* words = nullptr;
  const float* counts = nullptr;
  std::int64_t size = 0;
  float total = 0;           // N, tokens; > 0
  std::uint32_t number = 0;  // identity for the noise generator
};

/// CSR storage of documents.
struct Documents {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> words;
  std::vector<float> counts;
  std::vector<float> totals;

  std::int64_t size() const { return static_cast<std::int64_t>(totals.size()); }
  Document operator[](std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    const auto begin = static_cast<std::size_t>(offsets[at]);
    return {words.data() + begin, counts.data() + begin, offsets[at + 1] - offsets[at], totals[at],
            static_cast<std::uint32_t>(i)};
  }
  void clear() {
    offsets.assign(1, 0);
    words.clear();
    counts.clear();
    totals.clear();
  }
};

}  // namespace clary::ntm
