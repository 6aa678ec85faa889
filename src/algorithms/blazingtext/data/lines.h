// SPDX-License-Identifier: Apache-2.0
// Labelled lines for one thread: a line's words, the buckets of its word n-grams, and its labels.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/blazingtext/data/corpus.h"
#include "algorithms/blazingtext/data/tokenizer.h"
#include "algorithms/blazingtext/data/vocabulary.h"
#include "algorithms/blazingtext/hyperparameters.h"

namespace clary::blazingtext {

struct Line {
  std::vector<std::int32_t> words;    // known ones
  std::vector<std::int32_t> buckets;  // of hashed word n-grams
  std::vector<std::int32_t> labels;   // 0 .. K-1; labels that training has not seen are left out
  std::int64_t tokens = 0;            // all, with labels and </s>
};

/// What all readers of one training share.
class LineRules {
 public:
  LineRules(const Hyperparameters& hp, const Vocabulary& vocabulary);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  std::int32_t word_ngrams() const { return word_ngrams_; }
  std::uint64_t buckets() const { return buckets_; }
  /// hash_of() of entry `id`.
  std::uint32_t hash(std::int32_t id) const { return hashes_[static_cast<std::size_t>(id)]; }

 private:
  const Vocabulary& vocabulary_;
  std::int32_t word_ngrams_;
  std::uint64_t buckets_;
  std::vector<std::uint32_t> hashes_;
};

class LineReader {
 public:
  LineReader(Passes& passes, const LineRules& rules)
      : passes_(passes), rules_(rules), lookup_(rules.vocabulary().table) {}

  /// Replaces `line` by the next one, maybe without words or labels; false at the end of the last pass.
  bool next(Line& line);

 private:
  bool next_batch();
  void add(const Token& token, std::int32_t id, Line& line);
  void finish(Line& line);

  Passes& passes_;
  const LineRules& rules_;
  Lookup lookup_;
  TextBlock block_;
  std::optional<Tokenizer> tokenizer_;
  std::vector<Token> tokens_;
  std::vector<std::int32_t> ids_;
  std::size_t at_ = 0;
  std::vector<std::uint32_t> hashes_;  // of the line's words
};

}  // namespace clary::blazingtext
