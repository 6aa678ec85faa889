// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/lines.h"

#include "algorithms/blazingtext/data/ngrams.h"

namespace clary::blazingtext {

LineRules::LineRules(const Hyperparameters& hp, const Vocabulary& vocabulary)
    : vocabulary_(vocabulary),
      word_ngrams_(static_cast<std::int32_t>(hp.word_ngrams)),
      buckets_(static_cast<std::uint64_t>(hp.buckets)) {
  // Hashes of the words for n-grams, computed once and not at every occurrence.
  hashes_.reserve(vocabulary.dictionary.words.size());
  for (const std::string& word : vocabulary.dictionary.words) hashes_.push_back(hash_of(word));
}

/// The next tokens of the block; false at its end.
bool LineReader::next_batch() {
  at_ = 0;
  ids_.clear();
  if (!tokenizer_ || !tokenizer_->next(tokens_)) {
    tokenizer_.reset();
    return false;
  }
  lookup_.find(block_.text(), tokens_, rules_.vocabulary().end_of_line, ids_);
  return true;
}

void LineReader::add(const Token& token, std::int32_t id, Line& line) {
  const auto& dictionary = rules_.vocabulary().dictionary;
  ++line.tokens;
  // Labels have the ids behind the words.
  if (id >= dictionary.nwords) {
    line.labels.push_back(static_cast<std::int32_t>(id - dictionary.nwords));
    return;
  }
  if (id >= 0) line.words.push_back(id);
  // fastText counts unknown words in n-grams by their hash, but not labels.
  if (rules_.word_ngrams() < 2) return;
  if (id >= 0) return hashes_.push_back(rules_.hash(id));
  const std::string_view text = token.is_end_of_line() ? kEndOfLine : block_.text().substr(token.begin, token.size);
  if (!text.starts_with(kLabelPrefix)) hashes_.push_back(hash_of(text));
}

void LineReader::finish(Line& line) {
  for_each_word_ngram(hashes_, rules_.word_ngrams(), [&](std::uint64_t hash) {
    line.buckets.push_back(static_cast<std::int32_t>(hash % rules_.buckets()));
  });
  hashes_.clear();
}

bool LineReader::next(Line& line) {
  line.words.clear(), line.buckets.clear(), line.labels.clear();
  line.tokens = 0;
  for (;;) {
    while (at_ < ids_.size()) {
      const Token& token = tokens_[at_];
      add(token, ids_[at_], line);
      ++at_;
      if (!token.is_end_of_line()) continue;
      finish(line);
      return true;
    }
    if (next_batch()) continue;
    if (line.tokens > 0) {  // a file's last line without a newline
      finish(line);
      return true;
    }
    if (!passes_.next(block_)) return false;
    tokenizer_.emplace(block_.text());
  }
}

}  // namespace clary::blazingtext
