// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/bucket_rows.h"

#include "base/error.h"

namespace clary::blazingtext {

BucketRows::BucketRows(std::int64_t buckets, std::int64_t words, std::int64_t most_rows)
    : words_(words), end_(words + 1 + most_rows), rows_(static_cast<std::size_t>(buckets)), next_(words + 1) {}

// Any thread: rows are handed out by an atomic counter. Which bucket gets which row depends on the threads' timing; a
// row's first values depend on its bucket alone.
std::int32_t BucketRows::new_row(std::atomic<std::int32_t>& slot) {
  const std::int64_t row = next_.fetch_add(1, std::memory_order_relaxed);
  // The bound was computed from the first pass; a pipe may bring another text later.
  if (row < end_) return static_cast<std::int32_t>(row);
  next_.fetch_sub(1, std::memory_order_relaxed);
  slot.store(kNoRow, std::memory_order_release);
  throw Error(Kind::kInvalid, "train: a later pass over the text has more n-grams than the first had words");
}

// After training, one thread: relaxed loads suffice because the team has been joined.
BucketTable BucketRows::table() const {
  std::vector<BucketTable::Entry> entries;
  entries.reserve(static_cast<std::size_t>(used()));
  for (std::size_t bucket = 0; bucket < rows_.size(); ++bucket)
    if (const std::int32_t row = rows_[bucket].load(std::memory_order_relaxed); row > 0)
      entries.push_back({static_cast<std::int32_t>(bucket), static_cast<std::int32_t>(row - words_)});
  return BucketTable(std::move(entries), 0);
}

}  // namespace clary::blazingtext
