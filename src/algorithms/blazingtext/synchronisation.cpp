// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/synchronisation.h"

#include <algorithm>
#include <bit>
#include <span>

#include "base/error.h"

namespace clary::blazingtext {

std::int64_t Synchronisation::rows_at(std::int64_t meeting, std::int64_t rows) {
  const int twos = std::min(std::countr_zero(static_cast<std::uint64_t>(meeting)), 40);
  return std::min(rows, kHotRows << twos);
}

Synchronisation::State Synchronisation::meet(State mine) {
  double flags[2] = {mine.finished ? 1.0 : 0.0, mine.stopped ? 1.0 : 0.0};
  hosts_.all_reduce_sum(std::span<double>(flags));
  const State all{flags[0] >= hosts_.size(), flags[1] > 0};
  ++meetings_;
  const std::int64_t rows = matrices_[0]->rows;
  average(all.finished || all.stopped ? rows : rows_at(meetings_, rows));
  return all;
}

void Synchronisation::average(std::int64_t rows) {
  const float factor = 1.0f / static_cast<float>(hosts_.size());
  for (TrainingMatrix* matrix : matrices_) {
    const std::span<float> values(matrix->values.data(), static_cast<std::size_t>(rows * matrix->stride));
    hosts_.all_reduce_sum(values);
    for (float& x : values) x *= factor;
  }
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
