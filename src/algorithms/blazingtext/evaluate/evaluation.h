// SPDX-License-Identifier: Apache-2.0
// `evaluation`: after training, the word vectors are scored on lists of word pairs and of analogies; eval.json and the
// log tell.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "algorithms/blazingtext/evaluate/analogies.h"
#include "algorithms/blazingtext/evaluate/word_similarity.h"
#include "algorithms/blazingtext/model/model.h"

namespace clary::blazingtext {

inline constexpr const char* kPairChannel = "wordsim";
inline constexpr const char* kEnvPairFolder = "CLARY_WORDSIM";

struct AnalogyList {
  std::string name;  // "questions-words.txt"
  std::vector<Analogy> questions;
};

struct EvaluationLists {
  std::vector<PairList> pairs;
  std::vector<AnalogyList> analogies;
};

/// Every *.txt of a folder, by name; what a list is its lines say. Nothing for a folder that is not there.
/// @throws Error{kMalformed} naming file and line
EvaluationLists read_lists(const std::filesystem::path& folder);

/// Before training: nothing is learned for a list that is not one. @throws Error{kMalformed} as evaluate() would
void check_lists(shell::TrainContext& context);

/// Pairs and analogies come from the channel `wordsim`, else the folder that CLARY_WORDSIM names, else the folder
/// `wordsim` beside this program. Without any the log says so, and nothing is written.
/// @throws Error{kMalformed} for a list that is not one
void evaluate(const Model& model, const std::filesystem::path& model_dir, shell::TrainContext& context);

}  // namespace clary::blazingtext
