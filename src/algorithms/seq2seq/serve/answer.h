// SPDX-License-Identifier: Apache-2.0
// One request and its answer around a translator: JSON in and out, JSON lines in and out, records in and out.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "algorithms/seq2seq/data/vocabulary.h"
#include "algorithms/seq2seq/decode/translator.h"
#include "learning/shell/serve_request.h"

namespace clary::seq2seq {

/// As Translator::translate().
using Translate = std::function<std::vector<std::vector<Translation>>(
    std::span<const std::vector<std::int32_t>> sources, const DecodeOptions& options)>;

struct AnswerContext {
  const Vocabulary& source;
  const Vocabulary& target;
  DecodeOptions usual;  // what a request gets that does not choose
  DecodeLimits limits;  // the translator's, from which the sizes of attention matrices follow; `never` may be empty
};

/// 200, or 400, 406, 413, 415 with what is wrong in words; in the order of the request.
shell::Answer answer_to(const shell::Invocation& invocation, const AnswerContext& context, const Translate& translate);

}  // namespace clary::seq2seq
