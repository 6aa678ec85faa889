// SPDX-License-Identifier: Apache-2.0
// Vocabularies as AWS's create_vocab_proto.py (sequence-to-sequence example) writes them: a JSON object word -> id,
// whose ids 0 to 3 are four symbols. Bytes that are read may come from strangers.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clary::formats {

/// Words of the ids 0 to 3: padding, a word that is not in the vocabulary, begin and end of a sequence.
inline constexpr std::array<std::string_view, 4> kVocabularySymbols{"<pad>", "<unk>", "<s>", "</s>"};

/// Ids lie below. A model has a row of numbers for each id up to the largest.
inline constexpr std::int32_t kMaxVocabularySize = 10'000'000;

struct VocabularyEntry {
  std::string word;
  std::int32_t id = 0;
};

/// The entries in the order of the file; ids are unique but need not be without gaps.
/// @param name  what messages call the text
/// @throws Error{kMalformed} naming the word, its id and the rule
std::vector<VocabularyEntry> read_vocabulary(std::string_view json, const std::string& name);

/// The bytes that Python's json.dump(vocabulary, file, indent=4, ensure_ascii=False) writes.
/// @param words  by id, in UTF-8
std::string write_vocabulary(std::span<const std::string_view> words);

}  // namespace clary::formats
