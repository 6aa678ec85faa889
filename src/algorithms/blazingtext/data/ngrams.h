// SPDX-License-Identifier: Apache-2.0
// The hashing of character and word n-grams into bucket rows, the same for training and inference, and the same as
// fastText's, since its model files store no n-gram names.
// Letters: V words of the dictionary; rows 0 .. V-1 are theirs, row V + b is bucket b.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace clary::blazingtext {

inline constexpr std::string_view kEndOfLine = "</s>";
inline constexpr std::string_view kLabelPrefix = "__label__";
inline constexpr std::uint32_t kHashStart = 2'166'136'261U;
inline constexpr std::uint64_t kNgramFactor = 116'049'371U;

/// One step of FNV-1a. Bytes are sign-extended first: fastText does, so non-ASCII text depends on it.
constexpr std::uint32_t hash_step(std::uint32_t hash, char byte) noexcept {
  return (hash ^ static_cast<std::uint32_t>(static_cast<std::int8_t>(byte))) * 16'777'619U;
}

constexpr std::uint32_t hash_of(std::string_view text) noexcept {
  std::uint32_t hash = kHashStart;
  for (const char byte : text) hash = hash_step(hash, byte);
  return hash;
}

constexpr bool continues_character(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

/// Calls use(hash) for every n-gram of min_n .. max_n UTF-8 characters of `wrapped`, which is "<word>", in fastText's
/// order. A single boundary mark is no n-gram. Broken UTF-8 counts stray continuation bytes to the character before.
template <class Use>
void for_each_char_ngram(std::string_view wrapped, std::int64_t min_n, std::int64_t max_n, Use&& use) {
  for (std::size_t i = 0; i < wrapped.size(); ++i) {
    if (continues_character(wrapped[i])) continue;
    std::uint32_t hash = kHashStart;
    std::size_t j = i;
    for (std::int64_t n = 1; j < wrapped.size() && n <= max_n; ++n) {
      hash = hash_step(hash, wrapped[j++]);
      while (j < wrapped.size() && continues_character(wrapped[j])) hash = hash_step(hash, wrapped[j++]);
      if (n >= min_n && !(n == 1 && (i == 0 || j == wrapped.size()))) use(hash);
    }
  }
}

/// Calls use(hash) for every run of 2 .. max_n words. The first word's hash is sign-extended to 64 bits, as are those
/// that follow.
/// @param words  hash_of() of the line's words, labels left out, unknown words and `</s>` included
template <class Use>
void for_each_word_ngram(std::span<const std::uint32_t> words, std::int64_t max_n, Use&& use) {
  const auto extended = [](std::uint32_t hash) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(hash)));
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint64_t hash = extended(words[i]);
    for (std::size_t j = i + 1; j < words.size() && j - i < static_cast<std::size_t>(max_n); ++j) {
      hash = hash * kNgramFactor + extended(words[j]);
      use(hash);
    }
  }
}

/// fastText's token separators.
constexpr bool is_separator(char byte) noexcept {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t' || byte == '\v' || byte == '\f' || byte == '\0';
}

/// Calls use(token) for every token of `text`; a newline ends the token before it and gives `</s>` by itself.
template <class Use>
void for_each_token(std::string_view text, Use&& use) {
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !is_separator(text[i])) continue;
    if (i > start) use(text.substr(start, i - start));
    if (i < text.size() && text[i] == '\n') use(kEndOfLine);
    start = i + 1;
  }
}

}  // namespace clary::blazingtext
