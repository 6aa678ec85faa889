// SPDX-License-Identifier: Apache-2.0
// `evaluation`: after training, the word vectors are scored on lists of word pairs; eval.json and the log tell.
#pragma once

#include <filesystem>

#include "algorithms/blazingtext/model.h"

namespace clary::blazingtext {

inline constexpr const char* kPairChannel = "wordsim";
inline constexpr const char* kEnvPairFolder = "CLARY_WORDSIM";

/// Pairs come from the channel `wordsim`, else the folder that CLARY_WORDSIM names, else the folder `wordsim` beside
/// this program. Without any the log says so, and nothing is written.
/// @throws Error{kMalformed} for a list that is not one
void evaluate(const Model& model, const std::filesystem::path& model_dir, shell::TrainContext& context);

}  // namespace clary::blazingtext
