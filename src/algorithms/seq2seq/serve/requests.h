// SPDX-License-Identifier: Apache-2.0
// Bodies of inference requests to id sequences with their options: {"instances": [{"data": "..."}]} as JSON, a line
// {"source": "..."} as JSON lines, records with a feature "source". Bytes come from strangers.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "algorithms/seq2seq/data/vocabulary.h"
#include "algorithms/seq2seq/decode/translator.h"
#include "formats/content_type.h"

namespace clary::seq2seq {

/// Beams that a request may ask for. Memory of a decoding step grows with it.
inline constexpr std::int64_t kMaxBeam = 100;

struct Query {
  std::vector<std::int32_t> ids;
  DecodeOptions options;
  bool score = false;  // wanted in the answer
};

/// @param type      kJson, kJsonLines or kRecordIoProtobuf; its parameter attention_matrix counts for all queries
/// @param usual     what a query that does not choose gets
/// @throws Error{kMalformed} naming instance, line or record, and the rule
std::vector<Query> read_queries(const formats::ContentType& type, std::string_view body, const Vocabulary& source,
                                const DecodeOptions& usual);

}  // namespace clary::seq2seq
