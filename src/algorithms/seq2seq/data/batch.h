// SPDX-License-Identifier: Apache-2.0
// What a network reads in one step: B pairs, trimmed to the longest of them, time-major (step after step, the B rows of
// a step side by side), padded with kPad.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/data/pairs.h"

namespace clary::seq2seq {

struct Batch {
  std::int64_t rows = 0;                    // B
  std::int64_t source_steps = 0;            // S, the longest source
  std::int64_t target_steps = 0;            // T, the longest target + 1
  std::vector<std::int32_t> source;         // [S, B]
  std::vector<std::int32_t> input;          // [T, B]: kBegin, then the target's words
  std::vector<std::int32_t> labels;         // [T, B]: the target's words, then kEnd
  std::vector<std::int32_t> source_length;  // [B], >= 1
  std::vector<std::int32_t> target_length;  // [B], words + 1
  std::int64_t label_count = 0;             // labels that are not padding: the sum of target_length

  /// Pairs `which` of `pairs`, in that order. Memory of the batch is used again.
  void assign(const Pairs& pairs, std::span<const std::int64_t> which);
};

}  // namespace clary::seq2seq
