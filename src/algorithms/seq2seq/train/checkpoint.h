// SPDX-License-Identifier: Apache-2.0
// A job's state between two updates in the shell's form (learning/shell/checkpoint.h), with all that the rest of the
// training depends on, so that a job that was killed ends with the same model as one that was not. Arrays: now, best,
// first and second (the optimizer's), each parallel to Parameters::values().
#pragma once

#include <cstdint>
#include <optional>

#include "algorithms/seq2seq/data/pairs.h"
#include "algorithms/seq2seq/data/read_pairs.h"
#include "algorithms/seq2seq/hyperparameters.h"
#include "algorithms/seq2seq/model/parameters.h"
#include "algorithms/seq2seq/network/network.h"
#include "algorithms/seq2seq/train/optimizer.h"
#include "algorithms/seq2seq/train/report.h"
#include "algorithms/seq2seq/train/selection.h"
#include "base/json.h"
#include "learning/shell/checkpoint.h"

namespace clary::seq2seq {

/// The model by optimized_metric so far.
struct Best {
  std::int64_t checkpoint = 0;  // from 1
  Json scores = Json::object();
  Parameters parameters;
};

struct State {
  Position position;
  std::int64_t checkpoints = 0;        // made
  std::int64_t checkpoint_update = 0;  // update of the last one
  Score since_checkpoint;
  double rate = 0;  // of plateau_reduce
  std::int64_t plateau_idle = 0;
  std::optional<Selection::Best> selected;
  std::int64_t selection_idle = 0;
  bool stopped_early = false;
  Json history = Json::array();  // scores of each checkpoint
  std::optional<Best> best;
};

/// What a job must share with a checkpoint to go on from it: both vocabularies, the training pairs, the validation
/// pairs (scores of others cannot be compared with the best so far), and every hyperparameter that the sequence of
/// updates depends on. Limits on its length may differ.
/// @param given  the job's hyperparameters as text, defaults included
Json checkpoint_identity(const hyper::TextMap& given, const Vocabularies& words, const Pairs& train,
                         const Pairs& validation);

shell::Checkpoint to_shell(const State& state, const Parameters& now, Optimizer& optimizer);
/// Into `now` and `optimizer`, which have the job's shapes. @param batches  of an epoch. @throws Error{kMalformed}
State from_shell(const shell::Checkpoint& checkpoint, std::int64_t batches, Parameters& now, Optimizer& optimizer);

}  // namespace clary::seq2seq
