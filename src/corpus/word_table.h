// SPDX-License-Identifier: Apache-2.0
// Words and a number for each: open addressing with linear probing. A slot points into the text, which must outlive the
// table, so that counting copies nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace clary::corpus {

class WordTable {
 public:
  explicit WordTable(std::size_t expected = 0);

  std::size_t size() const { return size_; }

  /// The word's number, 0 for one that was not there. @throws Error{kLimit} for a word of 4 GiB or more
  std::int64_t& operator[](std::string_view word) {
    const std::uint64_t hash = hash_of(word);
    Slot* slot = probe(word, hash);
    return slot->word != nullptr ? slot->number : insert(word, hash);
  }

  /// The word's number, or `otherwise`.
  std::int64_t find(std::string_view word, std::int64_t otherwise) const {
    const Slot* slot = const_cast<WordTable*>(this)->probe(word, hash_of(word));
    return slot->word != nullptr ? slot->number : otherwise;
  }

  /// Calls use(word, number) for each, in no order.
  template <class Use>
  void for_each(Use&& use) const {
    for (const Slot& slot : slots_)
      if (slot.word != nullptr) use(std::string_view(slot.word, slot.size), slot.number);
  }

 private:
  struct Slot {
    const char* word = nullptr;  // none: the slot is free
    std::uint32_t size = 0, hash = 0;
    std::int64_t number = 0;
  };

  static std::uint64_t load(const char* p, std::size_t size) noexcept {
    std::uint64_t out = 0;
    std::memcpy(&out, p, size);
    return out;
  }
  /// Both halves of the 128-bit product: every bit of the result depends on every bit of x.
  static std::uint64_t mix(std::uint64_t x, std::uint64_t factor) noexcept {
    const auto product = static_cast<unsigned __int128>(x) * factor;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  static std::uint64_t hash_of(std::string_view word) noexcept {
    constexpr std::uint64_t kSalt = 0x9e37'79b9'7f4a'7c15ULL, kFactor = 0xd6e8'feb8'6659'fd93ULL;
    const char* p = word.data();
    const std::size_t size = word.size();
    // Sizes that are known to the compiler: each copy is one load. The two loads of a short word may overlap.
    if (size < 4) {
      const std::uint64_t bytes = load(p, 1) | load(p + size / 2, 1) << 8 | load(p + size - 1, 1) << 16;
      return mix(bytes ^ kSalt, kFactor ^ size);
    }
    if (size <= 8) return mix((load(p, 4) | load(p + size - 4, 4) << 32) ^ kSalt, kFactor ^ size);
    std::uint64_t hash = kSalt;
    for (std::size_t at = 0; at + 8 < size; at += 8) hash = mix(hash ^ load(p + at, 8), kFactor);
    return mix(hash ^ load(p + size - 8, 8), kFactor ^ size);
  }

  Slot* probe(std::string_view word, std::uint64_t hash) noexcept {
    for (std::size_t at = static_cast<std::size_t>(hash >> 32) & mask_;; at = (at + 1) & mask_) {
      Slot& slot = slots_[at];
      if (slot.word == nullptr) return &slot;
      if (slot.hash == static_cast<std::uint32_t>(hash) && slot.size == word.size() &&
          std::memcmp(slot.word, word.data(), word.size()) == 0)
        return &slot;
    }
  }
  std::int64_t& insert(std::string_view word, std::uint64_t hash);
  void grow();

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::size_t mask_ = 0, size_ = 0;
};

}  // namespace clary::corpus
