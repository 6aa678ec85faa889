// SPDX-License-Identifier: Apache-2.0
// Word vectors against human judgement: for each list of word pairs, how well cosine similarity orders the pairs as
// people did (Spearman's rho). The procedure and the report are those of `evaluation` in SageMaker's BlazingText, which
// follow Faruqui and Dyer, "Community Evaluation and Exchange of Word Vectors at wordvectors.org", ACL 2014.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/blazingtext/model/model.h"
#include "base/json.h"

namespace clary::blazingtext {

struct WordPair {
  std::string first, second;  // lower case
  double score = 0;           // human, any scale
};

struct PairList {
  std::string name;  // "EN-WS-353-ALL.txt"
  std::vector<WordPair> pairs;
};

struct PairListResult {
  std::string name;
  std::int64_t total_pairs = 0, not_found = 0;
  double rho = 0;
};

/// Lines `word word score`, separated by blanks or tabs; empty lines and lines that start with # are skipped.
/// @throws Error{kMalformed} naming the line
std::vector<WordPair> read_word_pairs(std::string_view text, const std::string& name);

/// Spearman's rank correlation, ties at their mean rank; 0 for fewer than two values or when one side is constant.
double spearman(std::span<const double> a, std::span<const double> b);

/// Words are found by their lower-case form, the later (rarer) of two that only differ in case; n-gram vectors of
/// unknown words do not count. A pair that occurs twice keeps its last score.
PairListResult score_pairs(const Model& model, const PairList& list);

/// eval.json: the lists by name, and `mean_rho`, the plain mean of their rhos.
Json evaluation_json(const std::vector<PairListResult>& results);
double mean_rho(const std::vector<PairListResult>& results);

}  // namespace clary::blazingtext
