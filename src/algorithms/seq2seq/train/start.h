// SPDX-License-Identifier: Apache-2.0
// What a training begins from: random numbers, or a finished model (channel `model`).
#pragma once

#include <string>
#include <vector>

#include "algorithms/seq2seq/data/vocabulary.h"
#include "algorithms/seq2seq/hyperparameters.h"
#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"
#include "learning/shell/train_context.h"

namespace clary::seq2seq {

/// @throws Error{kInvalid} when the channel's model is of another architecture or has other words, naming every
/// difference; Error{kMalformed, kLimit} when it cannot be read
Parameters starting_parameters(const Hyperparameters& hp, shell::TrainContext& context,
                               const Architecture& architecture, const Vocabulary& source, const Vocabulary& target);

/// "rnn_num_hidden of the model is 512, of the job 1024", for each hyperparameter that fixes the parameters' shapes or
/// what is computed with them. Vocabularies are not compared.
std::vector<std::string> differences(const Architecture& model, const Architecture& job);

}  // namespace clary::seq2seq
