// SPDX-License-Identifier: Apache-2.0
// Bodies of inference requests to texts: {"instances": [...], "configuration": {"k": 2}}, JSON lines with `source` and
// `k`, plain text and CSV with one text a line; `threshold` beside k is Clary's addition. What a text is (a word or a
// sentence) is the model's affair. Further, in Clary only: {"nn": word, "k": 10} and {"sentence": text}, as a JSON line
// or in place of an instance.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/content_type.h"

namespace clary::blazingtext {

struct Query {
  enum class Kind { kText, kNeighbours, kSentence };
  std::string text;
  std::int64_t k = 1;  // labels or neighbours wanted; above their number: all
  Kind kind = Kind::kText;
  float threshold = 0;  // labels of a lower probability are left out
};

/// @param type  kJson, kJsonLines, kText or kCsv
/// @throws Error{kMalformed} in BlazingText's words, with the line or instance and the rule behind them
std::vector<Query> read_queries(const formats::ContentType& type, std::string_view body);

}  // namespace clary::blazingtext
