// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/word_table.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

namespace clary::blazingtext {
namespace {

/// A copy with eight readable bytes.
/// Keys are made by reading eight bytes at once.
struct Padded {
  explicit Padded(std::string_view text) : bytes(text) { bytes.resize(text.size() + 8); }
  std::string bytes;
};

}  // namespace

void WordTable::place(const Slot& slot) {
  std::size_t at = slot.hash >> 1 & mask_;
  while (slots_[at].id >= 0) at = (at + 1) & mask_;
  slots_[at] = slot;
}

void WordTable::reserve(std::size_t texts) {
  // At most half full; a power of two, for the mask.
  const std::size_t wanted = std::bit_ceil(std::max<std::size_t>(2 * texts, 1024));
  if (wanted <= slots_.size()) return;
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(wanted));
  mask_ = wanted - 1;
  for (const Slot& slot : old)
    if (slot.id >= 0) place(slot);
}

std::int32_t WordTable::insert(const Key& key, const char* text, std::size_t size) {
  if (const std::int32_t id = find(key, text, size); id >= 0) return id;
  if (2 * (ends_.size() + 1) > slots_.size()) reserve(2 * ends_.size());
  const auto id = static_cast<std::int32_t>(ends_.size());
  bytes_.insert(bytes_.end(), text, text + size);
  ends_.push_back(bytes_.size());
  place({key.head, key.hash, id});
  return id;
}

std::int32_t WordTable::find(std::string_view text) const {
  const Padded padded(text);
  return find(key_of(padded.bytes.data(), text.size()), padded.bytes.data(), text.size());
}

std::int32_t WordTable::insert(std::string_view text) {
  const Padded padded(text);
  return insert(key_of(padded.bytes.data(), text.size()), padded.bytes.data(), text.size());
}

}  // namespace clary::blazingtext
