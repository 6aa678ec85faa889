// SPDX-License-Identifier: Apache-2.0
// Rows of a batch of sequences without padding: sequences are ordered by falling length, and step t has a row for each
// that is longer than t. Row first_row(t) + i belongs to step t of sequence i, so that the rows of a step, and of any
// range of sequences in it, lie side by side (PyTorch's PackedSequence has the same order).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace clary::seq2seq {

class PackedSteps {
 public:
  /// @param lengths  falling, >= 1
  void assign(std::span<const std::int32_t> lengths);

  std::int64_t steps() const { return static_cast<std::int64_t>(active_.size()); }
  std::int64_t rows() const { return first_row_.back(); }
  /// Sequences longer than t.
  std::int64_t active(std::int64_t t) const { return active_[static_cast<std::size_t>(t)]; }
  std::int64_t first_row(std::int64_t t) const { return first_row_[static_cast<std::size_t>(t)]; }

 private:
  std::vector<std::int64_t> active_, first_row_;
};

/// Sequences [begin, end) of part `part`, so that all parts have nearly the same number of steps to go.
std::pair<std::int64_t, std::int64_t> balanced_share(std::span<const std::int32_t> lengths, int part, int parts);

/// Parts into which a time loop of so many sequences is cut for `threads` threads: below eight rows a thread, reading
/// the weights costs more than the products.
int time_loop_parts(std::int64_t sequences, int threads);

}  // namespace clary::seq2seq
