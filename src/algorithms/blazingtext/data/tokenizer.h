// SPDX-License-Identifier: Apache-2.0
// Cuts text into tokens, 64 bytes a step. Separators and the end-of-line token are fastText's (ngrams.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace clary::blazingtext {

/// Bytes [begin, begin + size) of the text; size 0 is the end of a line.
struct Token {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
  bool is_end_of_line() const { return size == 0; }
};

class Tokenizer {
 public:
  /// `text` has kTextPadding readable bytes behind it, is shorter than 4 GiB and outlives the tokenizer.
  explicit Tokenizer(std::string_view text) : text_(text) {}

  /// Replaces `out` by the tokens of the next few kilobytes; false at the end.
  bool next(std::vector<Token>& out);

 private:
  std::string_view text_;
  std::size_t scanned_ = 0;        // bytes looked at
  std::size_t token_begin_ = 0;    // of the token that reaches into the next step
  std::size_t separators_at_ = 0;  // end of the last whole token: newlines from here on are not in the output yet
  bool inside_ = false;            // the last byte looked at belongs to a token
  std::vector<std::uint32_t> borders_;
};

}  // namespace clary::blazingtext
