// SPDX-License-Identifier: Apache-2.0
// Texts and their numbers 0, 1, 2, ... in order of arrival: open addressing with linear probing. A slot holds the
// text's first eight bytes, so that words of up to eight bytes are compared without leaving the slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace clary::blazingtext {

class WordTable {
 public:
  /// What a text is looked up by.
  struct Key {
    std::uint64_t head = 0;  // its first eight bytes, zeros behind the end (no token holds a NUL)
    std::uint32_t hash = 0;  // bit 0: longer than eight bytes
  };

  /// @param text  with eight readable bytes from its start on
  static Key key_of(const char* text, std::size_t size) noexcept {
    const std::uint64_t head = load(text) & (size >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size)) - 1);
    if (size <= 8) return {head, static_cast<std::uint32_t>(mix(head ^ kSalt, kFactor)) & ~1U};
    std::uint64_t h = head ^ kSalt;
    for (std::size_t at = 8; at + 8 < size; at += 8) h = mix(h ^ load(text + at), kFactor);
    h = mix(h ^ load(text + size - 8), kFactor ^ size);
    return {head, static_cast<std::uint32_t>(h) | 1U};
  }

  explicit WordTable(std::size_t expected = 0) { reserve(expected); }

  std::size_t size() const { return ends_.size(); }
  std::string_view text(std::size_t id) const {
    const std::size_t begin = id == 0 ? 0 : ends_[id - 1];
    return {bytes_.data() + begin, ends_[id] - begin};
  }

  void prefetch(const Key& key) const noexcept { __builtin_prefetch(&slots_[key.hash >> 1 & mask_]); }

  /// The text's number, or -1.
  std::int32_t find(const Key& key, const char* text, std::size_t size) const noexcept {
    for (std::size_t at = key.hash >> 1 & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.id < 0 || holds(slot, key, text, size)) return slot.id;
    }
  }
  std::int32_t find(std::string_view text) const;

  /// The text's number, a new one if need be.
  std::int32_t insert(const Key& key, const char* text, std::size_t size);
  std::int32_t insert(std::string_view text);

  void reserve(std::size_t texts);

 private:
  struct Slot {
    std::uint64_t head = 0;
    std::uint32_t hash = 0;
    std::int32_t id = -1;
  };
  static constexpr std::uint64_t kSalt = 0x9e37'79b9'7f4a'7c15ULL, kFactor = 0xd6e8'feb8'6659'fd93ULL;

  static std::uint64_t load(const char* text) noexcept {
    std::uint64_t out;
    std::memcpy(&out, text, sizeof out);
    return out;
  }
  /// Both halves of the 128-bit product: every bit of the result depends on every bit of x.
  static std::uint64_t mix(std::uint64_t x, std::uint64_t factor) noexcept {
    const auto product = static_cast<unsigned __int128>(x) * factor;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  bool holds(const Slot& slot, const Key& key, const char* text, std::size_t size) const noexcept {
    if (slot.head != key.head || slot.hash != key.hash) return false;
    return size <= 8 || this->text(static_cast<std::size_t>(slot.id)) == std::string_view(text, size);
  }
  void place(const Slot& slot);

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::size_t mask_ = 0;
  std::vector<char> bytes_;        // all texts
  std::vector<std::size_t> ends_;  // of each text in bytes_
};

}  // namespace clary::blazingtext
