// SPDX-License-Identifier: Apache-2.0
#include "corpus/word_counts.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "corpus/threads.h"
#include "formats/vocabulary_json.h"
#include "formats/words.h"

namespace clary::corpus {
namespace {

/// Cuts `text` behind line feeds into at most `parts` pieces of similar size.
void add_parts(std::string_view text, std::size_t parts, std::vector<std::string_view>& out) {
  const std::size_t size = text.size() / parts + 1;
  while (!text.empty()) {
    const std::size_t newline = size < text.size() ? text.find('\n', size) : std::string_view::npos;
    const std::size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

struct Counted {
  std::int64_t count;
  std::uint64_t head;  // the first eight bytes as one number, zeros behind the end: orders as the bytes do
  std::string_view word;
};

std::uint64_t head_of(std::string_view word) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) out = out << 8 | (i < word.size() ? static_cast<unsigned char>(word[i]) : 0);
  return out;
}

/// The order of ids. UTF-8 orders as code points do; string_view compares bytes as unsigned.
bool precedes(const Counted& a, const Counted& b) {
  if (a.count != b.count) return a.count > b.count;
  if (a.head != b.head) return a.head > b.head;
  return a.word > b.word;
}

}  // namespace

WordTable count_words(std::span<const std::string_view> texts, int threads) {
  std::vector<std::string_view> parts;
  for (const std::string_view text : texts) add_parts(text, 4 * static_cast<std::size_t>(threads), parts);
  std::vector<WordTable> counts(static_cast<std::size_t>(threads));
  for_each_unit(parts.size(), threads, [&](std::size_t part, int thread) {
    WordTable& table = counts[static_cast<std::size_t>(thread)];
    formats::for_each_word(parts[part], [&](std::string_view word) { ++table[word]; });
  });
  WordTable out = std::move(*std::max_element(
      counts.begin(), counts.end(), [](const WordTable& a, const WordTable& b) { return a.size() < b.size(); }));
  for (const WordTable& table : counts)
    table.for_each([&](std::string_view word, std::int64_t count) { out[word] += count; });
  return out;
}

std::vector<std::string_view> vocabulary_of(const WordTable& counts, const VocabularyRule& rule) {
  std::vector<Counted> words;
  counts.for_each([&](std::string_view word, std::int64_t count) {
    const bool is_symbol = std::find(formats::kVocabularySymbols.begin(), formats::kVocabularySymbols.end(), word) !=
                           formats::kVocabularySymbols.end();
    if (count >= rule.min_count && !is_symbol) words.push_back({count, head_of(word), word});
  });
  const auto kept = words.begin() + std::min<std::ptrdiff_t>(rule.most, std::ssize(words));
  if (kept != words.end()) std::nth_element(words.begin(), kept, words.end(), precedes);
  std::sort(words.begin(), kept, precedes);
  std::vector<std::string_view> out(formats::kVocabularySymbols.begin(), formats::kVocabularySymbols.end());
  for (auto word = words.begin(); word != kept; ++word) out.push_back(word->word);
  return out;
}

}  // namespace clary::corpus
