// SPDX-License-Identifier: Apache-2.0
// Rows of E for hashed n-grams while a model is learned: a bucket gets its row when the text first uses it, so that
// memory holds what the text uses, in the order in which it is used, and not a row for each of two million buckets.
// Letters: V words. Rows 0 .. V-1 are the words', row V is all zeros and stands for every bucket without a row of its
// own, bucket rows follow. Any thread may ask for rows at any time.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "algorithms/blazingtext/model/bucket_table.h"

namespace clary::blazingtext {

class BucketRows {
 public:
  /// @param buckets    B; 0: the model has no hashed n-grams, and no row is ever asked for
  /// @param words      V
  /// @param most_rows  buckets that may get a row
  BucketRows(std::int64_t buckets, std::int64_t words, std::int64_t most_rows);

  void prefetch(std::int32_t bucket) const { __builtin_prefetch(&rows_[static_cast<std::size_t>(bucket)], 1); }

  /// The bucket's row, or the row of zeros.
  std::int32_t find(std::int32_t bucket) const {
    const std::int32_t row = rows_[static_cast<std::size_t>(bucket)].load(std::memory_order_acquire);
    return row > 0 ? row : zero_row();
  }

  /// The bucket's row; a new one if need be, for which fill(row) is called before any thread gets to see it.
  /// @throws Error{kInvalid} when more rows are asked for than there may be
  template <class Fill>
  std::int32_t row(std::int32_t bucket, Fill&& fill) {
    std::atomic<std::int32_t>& slot = rows_[static_cast<std::size_t>(bucket)];
    std::int32_t row = slot.load(std::memory_order_acquire);
    if (row > 0) return row;
    if (row == kNoRow && slot.compare_exchange_strong(row, kBeingFilled, std::memory_order_acquire)) {
      row = new_row(slot);
      fill(row);
      slot.store(row, std::memory_order_release);
      return row;
    }
    while ((row = slot.load(std::memory_order_acquire)) == kBeingFilled) std::this_thread::yield();
    return row > 0 ? row : this->row(bucket, fill);
  }

  std::int32_t zero_row() const { return static_cast<std::int32_t>(words_); }
  std::int64_t buckets() const { return static_cast<std::int64_t>(rows_.size()); }
  /// Buckets that have a row.
  std::int64_t used() const { return next_.load() - words_ - 1; }
  /// Rows of E: words, zeros, buckets.
  std::int64_t rows() const { return next_.load(); }
  /// For the finished model. No thread may ask for rows meanwhile.
  BucketTable table() const;

 private:
  static constexpr std::int32_t kNoRow = 0, kBeingFilled = -1;

  std::int32_t new_row(std::atomic<std::int32_t>& slot);

  std::int64_t words_, end_;
  std::vector<std::atomic<std::int32_t>> rows_;  // [B]
  std::atomic<std::int64_t> next_;
};

}  // namespace clary::blazingtext
