// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/synchronisation.h"

#include <algorithm>
#include <bit>
#include <span>

#include "base/error.h"

namespace clary::blazingtext {

namespace {

/// a . a in eight partial sums, for vector registers. @param stride  a multiple of eight
float square(const float* a, std::int64_t stride) {
  float sums[8] = {};
  for (std::int64_t n = 0; n < stride; n += 8)
    for (int lane = 0; lane < 8; ++lane) sums[lane] += a[n + lane] * a[n + lane];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

/// row = row - last; @return |row|^2
float to_move(float* row, const float* last, std::int64_t stride) {
  for (std::int64_t n = 0; n < stride; ++n) row[n] -= last[n];
  return square(row, stride);
}

/// row, the sum of all hosts' moves, becomes the new weights, and so does `last`.
/// @param squares  sum over the hosts of |move|^2; @param least  of a move's factor
void move(float* row, float* last, std::int64_t stride, float squares, float least) {
  const float together = square(row, stride);
  const float factor = squares < together ? std::max(squares / together, least) : 1.0f;
  for (std::int64_t n = 0; n < stride; ++n) row[n] = last[n] += factor * row[n];
}

}  // namespace

// Frequent words have the low row numbers and change in every slice; rarer ones are exchanged in every 2nd, 4th, 8th,
// ... meeting. In the ruler sequence each power of two comes up regularly.
std::int64_t Synchronisation::rows_at(std::int64_t meeting, std::int64_t rows) {
  const int twos = std::min(std::countr_zero(static_cast<std::uint64_t>(meeting)), 40);
  return std::min(rows, kHotRows << twos);
}

Synchronisation::State Synchronisation::meet(State mine) {
  // The flags are exchanged first: all hosts must use the same number of rows in the next reductions.
  double flags[2] = {mine.finished ? 1.0 : 0.0, mine.stopped ? 1.0 : 0.0};
  hosts_.all_reduce_sum(std::span<double>(flags));
  const State all{flags[0] >= hosts_.size(), flags[1] > 0};
  ++meetings_;
  const std::int64_t all_rows = shared_[0].mine.rows;
  // The last meeting joins everything, so that all hosts end with the same weights.
  const std::int64_t rows = all.finished || all.stopped ? all_rows : rows_at(meetings_, all_rows);
  for (Shared& matrix : shared_) combine(matrix, rows);
  return all;
}

void Synchronisation::combine(Shared& matrix, std::int64_t rows) {
  const std::int64_t stride = matrix.mine.stride;
  squares_.resize(static_cast<std::size_t>(rows));
  // The weights are replaced by this host's change, which is what is summed.
  for (std::int64_t r = 0; r < rows; ++r)
    squares_[static_cast<std::size_t>(r)] = to_move(matrix.mine.row(r), matrix.last.data() + r * stride, stride);
  hosts_.all_reduce_sum(std::span<float>(matrix.mine.values.data(), static_cast<std::size_t>(rows * stride)));
  hosts_.all_reduce_sum(std::span<float>(squares_));
  const float least = 1.0f / static_cast<float>(hosts_.size());
  for (std::int64_t r = 0; r < rows; ++r)
    move(matrix.mine.row(r), matrix.last.data() + r * stride, stride, squares_[static_cast<std::size_t>(r)], least);
}

void check_same_words(collective::Collective& hosts, std::uint64_t fingerprint) {
  const auto mine = static_cast<double>(fingerprint >> 11);  // exact in a double
  double range[2] = {mine, -mine};
  hosts.all_reduce_max(std::span<double>(range));
  if (range[0] != mine || -range[1] != mine)
    throw Error(
        Kind::kInvalid,
        "channel train: the hosts have read different words; batch_skipgram on several instances needs the same "
        "text on each (S3DataDistributionType FullyReplicated)");
}

}  // namespace clary::blazingtext
