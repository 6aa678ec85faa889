// SPDX-License-Identifier: Apache-2.0
// Words and their ids: vocab.src.json and vocab.trg.json, as AWS's create_vocab_proto.py writes them (a JSON object
// word -> id; ids 0 to 3 are <pad>, <unk>, <s>, </s>; gaps are allowed). Bytes that are read may come from strangers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "algorithms/seq2seq/data/pairs.h"

namespace clary::seq2seq {

inline constexpr const char *kSourceVocabularyFile = "vocab.src.json", *kTargetVocabularyFile = "vocab.trg.json";

class Vocabulary {
 public:
  Vocabulary() = default;
  /// @param name  what messages call the text
  /// @throws Error{kMalformed} naming the word, its id and the rule
  static Vocabulary parse(std::string text, const std::string& name);

  /// Largest id + 1.
  std::int64_t size() const { return static_cast<std::int64_t>(by_id_.size()); }
  /// Words that the file has.
  std::int64_t words() const { return static_cast<std::int64_t>(words_.size()); }
  /// kUnknown when there is no such word.
  std::int32_t id(std::string_view word) const;
  /// "<unk>" for an id in a gap or outside.
  std::string_view word(std::int32_t id) const;
  /// Ids in gaps.
  std::vector<std::int32_t> gaps() const;
  /// The file as it was read.
  const std::string& text() const { return text_; }

  /// Ids of the words of a line: right-stripped and split at Unicode white space, as Python's str.split() does.
  std::vector<std::int32_t> ids(std::string_view line) const;
  /// Words joined by blanks.
  std::string line(std::span<const std::int32_t> ids) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  std::string text_;
  std::vector<std::string> words_;                                            // in the order of the file
  std::vector<std::int32_t> by_id_;                                           // position in words_, -1 in gaps
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;  // by word
};

}  // namespace clary::seq2seq
