// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/bucket_table.h"

#include <algorithm>
#include <bit>

namespace clary::blazingtext {
namespace {

std::uint32_t key(const BucketTable::Entry& entry) { return static_cast<std::uint32_t>(entry.bucket); }

}  // namespace

// A sorted list with an index over the upper bits of the bucket: look-ups bisect a handful of entries, and the table
// needs no hash. Buckets compare as unsigned numbers, since foreign files may hold negative ones.
BucketTable::BucketTable(std::vector<Entry> entries, std::int32_t others)
    : entries_(std::move(entries)), others_(others) {
  const auto by_key = [](const Entry& a, const Entry& b) { return key(a) < key(b); };
  if (!std::is_sorted(entries_.begin(), entries_.end(), by_key))
    std::stable_sort(entries_.begin(), entries_.end(), by_key);
  std::size_t kept = 0;
  // Of entries with one bucket the last counts, as in fastText's map.
  for (const Entry& entry : entries_) {
    if (kept > 0 && key(entries_[kept - 1]) == key(entry)) --kept;
    entries_[kept++] = entry;
  }
  entries_.resize(kept);
  if (entries_.empty()) return;
  const auto bits = static_cast<int>(std::bit_width(key(entries_.back())));
  // About as many cells as entries, so that a cell has one entry on average.
  shift_ = std::max(0, bits - static_cast<int>(std::bit_width(entries_.size())));
  begins_.assign((key(entries_.back()) >> shift_) + 2, 0);
  for (const Entry& entry : entries_) ++begins_[(key(entry) >> shift_) + 1];
  for (std::size_t i = 1; i < begins_.size(); ++i) begins_[i] += begins_[i - 1];
}

std::int32_t BucketTable::row(std::int32_t bucket) const {
  const auto wanted = static_cast<std::uint32_t>(bucket);
  const std::size_t cell = wanted >> shift_;
  // Behind the last cell: no such bucket.
  if (cell + 1 >= begins_.size()) return others_;
  const auto end = entries_.begin() + begins_[cell + 1];
  const auto at = std::partition_point(entries_.begin() + begins_[cell], end,
                                       [&](const Entry& entry) { return key(entry) < wanted; });
  return at != end && key(*at) == wanted ? at->row : others_;
}

}  // namespace clary::blazingtext
