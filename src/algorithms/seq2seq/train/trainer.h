// SPDX-License-Identifier: Apache-2.0
// The training job: vocabularies and pairs in, epochs, checkpoints, the best model out. Prints what Sockeye prints.
#pragma once

#include <cstdint>
#include <optional>

#include "algorithms/seq2seq/data/pairs.h"
#include "algorithms/seq2seq/data/vocabulary.h"
#include "algorithms/seq2seq/hyperparameters.h"
#include "algorithms/seq2seq/model/model.h"
#include "learning/shell/train_context.h"

namespace clary::seq2seq {

inline constexpr const char* kVocabularyChannel = "vocab";
inline constexpr const char* kModelChannel = "model";
/// What AWS's container says.
inline constexpr const char* kVocabularyMissing = "Vocab files are not present in the input directory";

/// @throws Error{kInvalid, kMalformed, kLimit} for the user's mistakes
Model train(const Hyperparameters& hp, shell::TrainContext& context);

}  // namespace clary::seq2seq
