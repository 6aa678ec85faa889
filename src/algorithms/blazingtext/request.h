// SPDX-License-Identifier: Apache-2.0
// Bodies of inference requests to texts: {"instances": [...], "configuration": {"k": 2}}, JSON lines with `source` and
// `k`, plain text and CSV with one text a line. What a text is (a word or a sentence) is the model's affair.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/content_type.h"

namespace clary::blazingtext {

struct Query {
  std::string text;
  std::int64_t k = 1;  // labels wanted; above the number of labels: all
};

/// @param type  kJson, kJsonLines, kText or kCsv
/// @throws Error{kMalformed} in BlazingText's words, with the line or instance and the rule behind them
std::vector<Query> read_queries(const formats::ContentType& type, std::string_view body);

}  // namespace clary::blazingtext
