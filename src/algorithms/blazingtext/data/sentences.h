// SPDX-License-Identifier: Apache-2.0
// Sentences of word numbers for one thread: lines, cut after so many known words, unknown words left out, frequent
// words thinned out.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/blazingtext/data/corpus.h"
#include "algorithms/blazingtext/data/sampling.h"
#include "algorithms/blazingtext/data/tokenizer.h"
#include "algorithms/blazingtext/data/vocabulary.h"
#include "base/split_mix.h"

namespace clary::blazingtext {

struct SentenceOptions {
  std::int64_t max_tokens = 1024;  // fastText's MAX_LINE_SIZE; before thinning
  bool keep_end_of_line = true;    // </s> is a word of the sentence (fastText) or only ends it (word2vec)
};

class SentenceReader {
 public:
  SentenceReader(Passes& passes, const Vocabulary& vocabulary, const SubSampler& sampler, SentenceOptions options)
      : passes_(passes), vocabulary_(vocabulary), sampler_(sampler), options_(options), lookup_(vocabulary.table) {}

  /// Replaces `sentence` by the next one, maybe empty; false at the end of the last pass.
  /// @param tokens  known words that went into it, before thinning
  bool next(std::vector<std::int32_t>& sentence, std::int64_t& tokens, SplitMix64& random);

 private:
  bool next_batch();

  Passes& passes_;
  const Vocabulary& vocabulary_;
  const SubSampler& sampler_;
  SentenceOptions options_;
  Lookup lookup_;
  TextBlock block_;
  std::optional<Tokenizer> tokenizer_;
  std::vector<Token> tokens_;
  std::vector<std::int32_t> ids_;
  std::size_t at_ = 0;
};

}  // namespace clary::blazingtext
