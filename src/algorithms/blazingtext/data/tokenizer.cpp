// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/tokenizer.h"

#include <algorithm>

#include "algorithms/blazingtext/kernels/kernels.h"

namespace clary::blazingtext {
namespace {

constexpr std::size_t kStep = 16 << 10;  // bytes: their tokens stay in the first-level cache

}  // namespace

bool Tokenizer::next(std::vector<Token>& out) {
  out.clear();
  const char* text = text_.data();
  const auto add_newlines = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i)
      if (text[i] == '\n') out.push_back({static_cast<std::uint32_t>(i), 0});
  };
  // borders_ alternates between begins and ends of tokens; inside_ carries the state over steps.
  while (out.empty() && scanned_ < text_.size()) {
    const std::size_t size = std::min(kStep, text_.size() - scanned_);
    borders_.resize(size + 64);
    const std::size_t count =
        kernels::token_borders(text + scanned_, size, static_cast<std::uint32_t>(scanned_), inside_, borders_.data());
    out.reserve(count + 64);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = borders_[i];
      if (!inside_) {
        add_newlines(separators_at_, at);
        token_begin_ = at;
      } else {
        out.push_back({static_cast<std::uint32_t>(token_begin_), static_cast<std::uint32_t>(at - token_begin_)});
        separators_at_ = at;
      }
      inside_ = !inside_;
    }
    scanned_ += size;
    if (!inside_) {
      add_newlines(separators_at_, scanned_);
      separators_at_ = scanned_;
    }
    // The text's end ends the last token.
    if (scanned_ == text_.size() && inside_) {
      out.push_back({static_cast<std::uint32_t>(token_begin_), static_cast<std::uint32_t>(scanned_ - token_begin_)});
      inside_ = false;
    }
  }
  return !out.empty();
}

}  // namespace clary::blazingtext
