// SPDX-License-Identifier: Apache-2.0
// Which row of E stands for a bucket of hashed n-grams, when not every bucket has a row of its own. Two kinds of model
// have such a table: one that `fasttext quantize` pruned, where the other buckets count as nothing, and one whose
// unused buckets are all zeros, which share one row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clary::blazingtext {

class BucketTable {
 public:
  /// Rows count from 0 behind the words' rows.
  struct Entry {
    std::int32_t bucket = 0, row = 0;
    bool operator==(const Entry&) const = default;
  };
  static constexpr std::int32_t kNone = -1;

  /// @param entries  in any order; of a bucket that is there twice the last counts
  /// @param others   the row of all other buckets, or kNone
  explicit BucketTable(std::vector<Entry> entries, std::int32_t others = kNone);

  /// The bucket's row, behind the words', or kNone.
  std::int32_t row(std::int32_t bucket) const;
  /// The row that all other buckets share, or kNone.
  std::int32_t others() const { return others_; }
  /// By bucket, as unsigned numbers.
  std::span<const Entry> entries() const { return entries_; }

 private:
  // Sorted entries, and where the ones begin whose bucket has the same first bits: about one each when buckets are
  // evenly spread, as hashes are, and a binary search when a stranger's file says otherwise.
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> begins_;
  int shift_ = 0;
  std::int32_t others_;
};

}  // namespace clary::blazingtext
