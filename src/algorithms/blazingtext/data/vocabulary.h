// SPDX-License-Identifier: Apache-2.0
// The words of a text and how often they occur, counted by all threads of a team, and the table that finds them again.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "algorithms/blazingtext/data/dictionary.h"
#include "algorithms/blazingtext/data/text_source.h"
#include "algorithms/blazingtext/data/tokenizer.h"
#include "algorithms/blazingtext/data/word_table.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

struct VocabularyOptions {
  std::int64_t min_count = 5;  // of words; labels always stay
  bool labels = false;         // tokens that start with __label__ are labels
  std::size_t max_entries =
      22'500'000;  // beyond it rare words are dropped while counting (fastText: 0.75 * 30 million)
  std::function<bool()> stopped = [] { return false; };
};

struct Vocabulary {
  Dictionary dictionary;          // without an index of its own yet
  WordTable table;                // entry number = the dictionary's
  std::int32_t end_of_line = -1;  // number of </s>, or -1
  std::int64_t known_tokens = 0;  // of the text, words of the dictionary
};

/// Words by descending count, then labels; equal counts in byte order, so that the result does not depend on threads.
/// @throws Error{kCancelled} when stopped
Vocabulary build_vocabulary(TextSource& text, numeric::Team& team, const VocabularyOptions& options);

/// Finds the numbers of a block's tokens, a batch at a time, so that memory is asked for ahead of need.
class Lookup {
 public:
  explicit Lookup(const WordTable& table) : table_(table) {}
  /// ids[i] = number of tokens[i], or -1. End-of-line tokens get `end_of_line`.
  void find(std::string_view text, std::span<const Token> tokens, std::int32_t end_of_line,
            std::vector<std::int32_t>& ids);

 private:
  const WordTable& table_;
  std::vector<WordTable::Key> keys_;
};

}  // namespace clary::blazingtext
