// SPDX-License-Identifier: Apache-2.0
#include "corpus/word_table.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/error.h"

namespace clary::corpus {

WordTable::WordTable(std::size_t expected) : slots_(std::bit_ceil(std::max<std::size_t>(2 * expected + 2, 1024))) {
  mask_ = slots_.size() - 1;
}

std::int64_t& WordTable::insert(std::string_view word, std::uint64_t hash) {
  if (word.size() > std::numeric_limits<std::uint32_t>::max())
    throw Error(Kind::kLimit, "a word of the text has " + std::to_string(word.size()) + " bytes");
  if (2 * (size_ + 1) > slots_.size()) grow();
  ++size_;
  Slot* slot = probe(word, hash);
  *slot = {word.data(), static_cast<std::uint32_t>(word.size()), static_cast<std::uint32_t>(hash), 0};
  return slot->number;
}

void WordTable::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  mask_ = slots_.size() - 1;
  // Slots keep half of the hash; the other half is computed again from the word.
  for (const Slot& slot : old)
    if (slot.word != nullptr) {
      const std::string_view word(slot.word, slot.size);
      *probe(word, hash_of(word)) = slot;
    }
}

}  // namespace clary::corpus
