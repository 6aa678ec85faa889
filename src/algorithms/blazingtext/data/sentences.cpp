// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/sentences.h"

namespace clary::blazingtext {

/// The next tokens of the block; false at its end.
bool SentenceReader::next_batch() {
  at_ = 0;
  ids_.clear();
  if (!tokenizer_ || !tokenizer_->next(tokens_)) {
    tokenizer_.reset();
    return false;
  }
  lookup_.find(block_.text(), tokens_, vocabulary_.end_of_line, ids_);
  return true;
}

bool SentenceReader::next(std::vector<std::int32_t>& sentence, std::int64_t& tokens, SplitMix64& random) {
  sentence.clear();
  tokens = 0;
  for (;;) {
    for (; at_ < ids_.size(); ++at_) {
      const std::int32_t id = ids_[at_];
      const bool ends = tokens_[at_].is_end_of_line() || (id >= 0 && id == vocabulary_.end_of_line);
      if (id >= 0) {
        // Counted before sub-sampling: the learning rate follows all tokens.
        ++tokens;
        if ((!ends || options_.keep_end_of_line) && sampler_.keeps(id, random)) sentence.push_back(id);
      }
      if (ends || tokens >= options_.max_tokens) {
        ++at_;
        return true;
      }
    }
    if (next_batch()) continue;
    if (tokens > 0) return true;  // the end of a block ends a sentence
    if (!passes_.next(block_)) return false;
    tokenizer_.emplace(block_.text());
  }
}

}  // namespace clary::blazingtext
