// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "algorithms/seq2seq/model/parameters.h"
#include "algorithms/seq2seq/network/network.h"
#include "algorithms/seq2seq/train/optimizer.h"
#include "base/error.h"

namespace clary::seq2seq {
namespace {

constexpr double kUsable = 0.9;  // of what is there

double gibibytes(std::int64_t bytes) { return static_cast<double>(std::max<std::int64_t>(bytes, 0)) / (1 << 30); }

}  // namespace

std::int64_t parameter_bytes(const Hyperparameters& hp, const Architecture& architecture, bool writes_checkpoints) {
  const std::int64_t states = Optimizer::states(hp);
  // Themselves, gradients of a batch and of a part of it, the best checkpoint.
  std::int64_t arrays = 4 + states;
  // The translator packs its own; a checkpoint is copied, then written as a list, then as an archive; a model is
  // written as one text. One after the other.
  const std::int64_t passing =
      std::max<std::int64_t>({hp.decodes() ? 1 : 0, writes_checkpoints ? 3 * (2 + states) : 0, 1});
  return (arrays + passing) * Parameters::learned(architecture) * std::int64_t{sizeof(float)};
}

std::int64_t rows_at_once(const Architecture& architecture, std::int64_t rows, std::int64_t source_steps,
                          std::int64_t target_steps, std::int64_t budget) {
  for (std::int64_t parts = 1;; parts *= 2) {
    const std::int64_t part = (rows + parts - 1) / parts;
    if (Network::bytes(architecture, part, source_steps, target_steps) <= budget) return part;
    if (part == 1) return 0;
  }
}

std::int64_t batch_budget(const Hyperparameters& hp, const Architecture& architecture, bool writes_checkpoints,
                          std::int64_t available, std::int64_t longest_source, std::int64_t longest_target) {
  const auto there = static_cast<std::int64_t>(static_cast<double>(available) * kUsable);
  const std::int64_t fixed = parameter_bytes(hp, architecture, writes_checkpoints);
  if (fixed > there)
    throw Error(
        Kind::kLimit,
        fmt::format("seq2seq: {} learned numbers, their gradients and the optimizer's states need {:.2f} GiB of "
                    "memory, {:.2f} GiB are left; lower num_embed_source, num_embed_target, {} or the number of "
                    "words, or choose a larger instance type",
                    Parameters::learned(architecture), gibibytes(fixed), gibibytes(there),
                    architecture.decoder == NetworkType::kRnn ? "rnn_num_hidden" : "cnn_num_hidden"));
  const std::int64_t left = there - fixed;
  const std::int64_t one = Network::bytes(architecture, 1, longest_source, longest_target);
  if (one > left)
    throw Error(
        Kind::kLimit,
        fmt::format("seq2seq: one pair of {} source and {} target words needs {:.2f} GiB of memory, {:.2f} GiB "
                    "are left; lower max_seq_len_source or max_seq_len_target, or choose a larger instance type",
                    longest_source, longest_target, gibibytes(one), gibibytes(left)));
  return left;
}

}  // namespace clary::seq2seq
