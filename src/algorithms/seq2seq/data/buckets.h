// SPDX-License-Identifier: Apache-2.0
// Pairs of similar lengths, from which batches are taken so that little of a batch is padding. Rules of Sockeye 1.10
// (data_io.py, define_parallel_buckets).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clary::seq2seq {

/// Largest lengths of the pairs in it: source words; target words + 1, for kBegin.
struct Bucket {
  std::int64_t source = 0, target = 0;
  bool operator==(const Bucket&) const = default;
};

/// Ascending; the last one is {max_source, max_target}, at least 2 each.
/// @param ratio  mean over the training pairs of (target words + 1) / source words, > 0
/// @param width  step of the longer side, >= 1; the shorter side's follows from the ratio
std::vector<Bucket> make_buckets(double ratio, std::int64_t width, std::int64_t max_source, std::int64_t max_target);

/// The first bucket that both lengths fit into, and the last one when none does.
std::int64_t bucket_of(std::span<const Bucket> buckets, std::int64_t source, std::int64_t target);

}  // namespace clary::seq2seq
