// SPDX-License-Identifier: Apache-2.0
// Word vectors on analogies: which word is to c as b is to a? The answer is the word nearest by cosine to
// b/|b| - a/|a| + c/|c|, the three left out (3CosAdd), among the 30,000 most frequent words.
// Source: Mikolov et al., "Efficient estimation of word representations in vector space", arXiv 1301.3781, and its
// program compute-accuracy with the file questions-words.txt.
// Letters: D dimensions, V words looked at.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/blazingtext/model/model.h"
#include "base/json.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

inline constexpr std::int64_t kAnalogyWords = 30'000;  // as published

using Analogy = std::array<std::string, 4>;  // a, b, c and the answer, lower case

struct AnalogyResult {
  std::string name;            // of the list
  std::int64_t questions = 0;  // in the list
  std::int64_t asked = 0;      // those whose four words are among the V
  std::int64_t right = 0;
  double accuracy() const { return asked == 0 ? 0 : static_cast<double>(right) / static_cast<double>(asked); }
};

/// {"accuracy": 0.3, "correct": 3, "questions_asked": 10, "total_questions": 12}: in eval.json under the list's name
Json analogy_json(const AnalogyResult& result);

/// Whether a list is one of analogies: its first line that is neither empty nor a comment begins with `:` or has four
/// words.
bool are_analogies(std::string_view text);

/// Lines of four words; lines that begin with `:` name sections. @throws Error{kMalformed} naming the line
std::vector<Analogy> read_analogies(std::string_view text, const std::string& name);

/// Of words that only differ in case the most frequent counts.
AnalogyResult score_analogies(const Model& model, const std::string& name, const std::vector<Analogy>& questions,
                              numeric::Team& team);

}  // namespace clary::blazingtext
