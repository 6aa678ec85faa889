// SPDX-License-Identifier: Apache-2.0
#include "platform/services/logs/filter_pattern.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace clary::services {

// CloudWatch's terms: plain and quoted terms must all occur, ?terms at least one of them, -terms none.
FilterPattern::FilterPattern(std::string_view pattern) {
  pattern = trimmed(pattern);
  // JSON, space-delimited and regular-expression patterns; refused by name, as a wrong match would be silent.
  if (pattern.starts_with('{') || pattern.starts_with('[') || pattern.starts_with('%'))
    throw Error(Kind::kInvalid, "filterPattern \"" + std::string(pattern) +
                                    "\": only terms are supported by this server: a, \"a b\", ?a ?b, -a");
  while (!pattern.empty()) {
    std::vector<std::string>* list = &all_;
    if (pattern[0] == '?' || pattern[0] == '-') {
      list = pattern[0] == '?' ? &any_ : &none_;
      pattern.remove_prefix(1);
    }
    std::size_t end = 0;
    if (pattern.starts_with('"')) {
      end = pattern.find('"', 1);
      if (end == std::string_view::npos) throw Error(Kind::kInvalid, "filterPattern: a quote is not closed");
      list->emplace_back(pattern.substr(1, end - 1));
      ++end;
    } else {
      end = std::min(pattern.find(' '), pattern.size());
      list->emplace_back(pattern.substr(0, end));
    }
    pattern = trimmed(pattern.substr(end));
  }
}

// Case-sensitive substrings, as documented for unstructured logs.
bool FilterPattern::matches(std::string_view message) const {
  const auto in = [&](const std::string& term) { return message.find(term) != std::string_view::npos; };
  return std::all_of(all_.begin(), all_.end(), in) && std::none_of(none_.begin(), none_.end(), in) &&
         // No ?term at all is no condition.
         (any_.empty() || std::any_of(any_.begin(), any_.end(), in));
}

}  // namespace clary::services
