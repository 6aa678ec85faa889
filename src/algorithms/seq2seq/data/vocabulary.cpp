// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/data/vocabulary.h"

#include <algorithm>
#include <utility>

#include "formats/vocabulary_json.h"
#include "formats/words.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

using numeric::at;

Vocabulary Vocabulary::parse(std::string text, const std::string& name) {
  std::vector<formats::VocabularyEntry> entries = formats::read_vocabulary(text, name);
  Vocabulary out;
  out.text_ = std::move(text);
  std::int32_t largest = 0;
  for (const auto& entry : entries) largest = std::max(largest, entry.id);
  out.by_id_.assign(at(largest) + 1, -1);
  out.words_.reserve(entries.size());
  out.ids_.reserve(entries.size());
  for (auto& entry : entries) {
    out.by_id_[at(entry.id)] = static_cast<std::int32_t>(out.words_.size());
    out.ids_.emplace(entry.word, entry.id);
    out.words_.push_back(std::move(entry.word));
  }
  return out;
}

std::int32_t Vocabulary::id(std::string_view word) const {
  const auto found = ids_.find(word);
  return found == ids_.end() ? kUnknown : found->second;
}

std::string_view Vocabulary::word(std::int32_t id) const {
  const bool known = id >= 0 && id < size() && by_id_[at(id)] >= 0;
  return known ? std::string_view(words_[at(by_id_[at(id)])]) : formats::kVocabularySymbols[kUnknown];
}

std::vector<std::int32_t> Vocabulary::gaps() const {
  std::vector<std::int32_t> out;
  for (std::int32_t id = 0; id < size(); ++id)
    if (by_id_[at(id)] < 0) out.push_back(id);
  return out;
}

std::vector<std::int32_t> Vocabulary::ids(std::string_view line) const {
  std::vector<std::int32_t> out;
  formats::for_each_word(line, [&](std::string_view word) { out.push_back(id(word)); });
  return out;
}

std::string Vocabulary::line(std::span<const std::int32_t> ids) const {
  std::string out;
  for (const std::int32_t id : ids) {
    if (!out.empty()) out += ' ';
    out += word(id);
  }
  return out;
}

}  // namespace clary::seq2seq
