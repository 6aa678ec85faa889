// SPDX-License-Identifier: Apache-2.0
// How often each word of a text occurs, and the words of a vocabulary by AWS's rules.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "corpus/word_table.h"

namespace clary::corpus {

/// The texts' words with their numbers of occurrences, without the four symbols (formats::kVocabularySymbols). The
/// texts, which are UTF-8, must outlive the table.
/// @param threads  >= 1
WordTable count_words(std::span<const std::string_view> texts, int threads);

struct VocabularyRule {
  std::int64_t most = 50'000;  // words besides the four symbols
  std::int64_t min_count = 1;  // occurrences
};

/// By id: the four symbols, then the words by falling count, equal counts by falling text (in code points).
std::vector<std::string_view> vocabulary_of(const WordTable& counts, const VocabularyRule& rule);

}  // namespace clary::corpus
