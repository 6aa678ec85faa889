// SPDX-License-Identifier: Apache-2.0
// Whether a machine's memory is enough for a training, asked before it is taken.
#pragma once

#include <cstdint>

#include "algorithms/seq2seq/hyperparameters.h"
#include "algorithms/seq2seq/model/architecture.h"

namespace clary::seq2seq {

/// Bytes of all arrays as large as the parameters: themselves, gradients, the optimizer's states, the best checkpoint,
/// and the copies that live for a short time while a checkpoint is decoded or written.
/// @param writes_checkpoints  the job keeps resumable checkpoints
std::int64_t parameter_bytes(const Hyperparameters& hp, const Architecture& architecture, bool writes_checkpoints);

/// The most rows of a batch, at most `rows`, that `budget` bytes are enough for; halved from `rows`.
/// @return 0 when not even one fits
std::int64_t rows_at_once(const Architecture& architecture, std::int64_t rows, std::int64_t source_steps,
                          std::int64_t target_steps, std::int64_t budget);

/// What the numbers of a batch may take once everything else has its memory.
/// @param available  bytes before anything is allocated
/// @param longest_source, longest_target  steps of the longest batch, of which at least one row must fit
/// @throws Error{kLimit} naming what is needed, what there is, and what to lower
std::int64_t batch_budget(const Hyperparameters& hp, const Architecture& architecture, bool writes_checkpoints,
                          std::int64_t available, std::int64_t longest_source, std::int64_t longest_target);

}  // namespace clary::seq2seq
