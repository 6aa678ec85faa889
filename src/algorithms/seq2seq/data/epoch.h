// SPDX-License-Identifier: Apache-2.0
// Which pairs each batch of an epoch holds. The order follows from seed and epoch alone, so that a job can go on in the
// middle of an epoch after it was stopped.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/data/buckets.h"
#include "algorithms/seq2seq/data/pairs.h"

namespace clary::seq2seq {

/// One pass over the pairs, as batches: all pairs of a batch are of one bucket, and each bucket's last batch may be
/// smaller than the others.
class BatchOrder {
 public:
  BatchOrder() = default;
  /// @param pairs   numbers of pairs, batch after batch
  /// @param begins  where each batch begins in `pairs`, and the end
  BatchOrder(std::vector<std::int64_t> pairs, std::vector<std::int64_t> begins)
      : pairs_(std::move(pairs)), begins_(std::move(begins)) {}

  std::int64_t batches() const { return static_cast<std::int64_t>(begins_.size()) - 1; }
  /// Numbers of the pairs of batch `i` (what Batch::assign takes).
  std::span<const std::int64_t> operator[](std::int64_t i) const {
    const auto begin = static_cast<std::size_t>(begins_[static_cast<std::size_t>(i)]);
    return std::span(pairs_).subspan(begin, static_cast<std::size_t>(begins_[static_cast<std::size_t>(i) + 1]) - begin);
  }

 private:
  std::vector<std::int64_t> pairs_;
  std::vector<std::int64_t> begins_{0};
};

/// The pairs of each bucket; what an epoch is made of.
class BatchPlan {
 public:
  struct BucketCount {
    Bucket bucket;
    std::int64_t pairs = 0, batches = 0;
    double target_words = 0;  // of a full batch, on average: target words + 1 each
  };

  /// @param buckets  ascending, not empty
  BatchPlan(const Pairs& pairs, std::vector<Bucket> buckets, std::int64_t batch_size);

  std::int64_t batches() const { return batches_; }
  /// Buckets that hold pairs, for the log.
  std::vector<BucketCount> counts() const;

  /// Epoch `epoch`: pairs are shuffled within their bucket and cut into batches, and the batches are shuffled.
  BatchOrder epoch(std::uint64_t seed, std::int64_t epoch) const;
  /// Each pair once with others of its length, nothing shuffled: for validation.
  BatchOrder in_order() const;

 private:
  BatchOrder cut(std::vector<std::vector<std::int64_t>> members) const;

  std::vector<Bucket> buckets_;
  std::vector<std::vector<std::int64_t>> members_;  // of each bucket: numbers of pairs, by length
  std::vector<std::int64_t> words_;                 // of each bucket: target words + 1, summed over its pairs
  std::int64_t batch_size_;
  std::int64_t batches_ = 0;
};

}  // namespace clary::seq2seq
