// SPDX-License-Identifier: Apache-2.0
// The training job: vocabularies and pairs in, epochs, checkpoints, the best model out. Prints what Sockeye prints.
#pragma once

#include <cstdint>
#include <optional>

#include "algorithms/seq2seq/data/read_pairs.h"
#include "algorithms/seq2seq/hyperparameters.h"
#include "algorithms/seq2seq/model/model.h"
#include "learning/shell/train_context.h"

namespace clary::seq2seq {

inline constexpr const char* kVocabularyChannel = "vocab";
inline constexpr const char* kModelChannel = "model";

struct Data {
  Vocabularies words;
  PairData train, validation;
};

/// @throws Error{kInvalid, kMalformed, kLimit} for the user's mistakes
Model train(const Hyperparameters& hp, shell::TrainContext& context);

/// On pairs that are read.
/// @param memory  bytes that the training may take; nothing: what the machine and the instance have left
Model train(const Hyperparameters& hp, shell::TrainContext& context, Data data,
            std::optional<std::int64_t> memory = std::nullopt);

}  // namespace clary::seq2seq
