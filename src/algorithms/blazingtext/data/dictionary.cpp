// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/dictionary.h"

#include <bit>

namespace clary::blazingtext {
namespace {

/// FNV's low bits are its weak ones; a multiplication spreads them (Fibonacci hashing, Knuth vol. 3, 6.4).
std::size_t first_slot(std::uint32_t hash, std::size_t slots) {
  return static_cast<std::size_t>((hash * 0x9e37'79b9'7f4a'7c15ULL) >> 32) & (slots - 1);
}

}  // namespace

void Dictionary::build_index() {
  // Open addressing with linear probing, at most half full: probes are short and end at an empty slot.
  slots_.assign(std::bit_ceil(std::max<std::size_t>(2 * words.size(), 2)), Slot{});
  for (std::size_t id = 0; id < words.size(); ++id) {
    const std::uint32_t hash = hash_of(words[id]);
    // Doubled words (in files of other programs) keep their first id.
    if (find(words[id], hash) >= 0) continue;
    std::size_t at = first_slot(hash, slots_.size());
    while (slots_[at].id >= 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {hash, static_cast<std::int32_t>(id)};
  }
}

std::int64_t Dictionary::find(std::string_view word, std::uint32_t hash) const {
  if (slots_.empty()) return -1;
  for (std::size_t at = first_slot(hash, slots_.size()); slots_[at].id >= 0; at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].hash == hash && words[static_cast<std::size_t>(slots_[at].id)] == word) return slots_[at].id;
  return -1;
}

}  // namespace clary::blazingtext
