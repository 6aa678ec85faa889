// SPDX-License-Identifier: Apache-2.0
// The rows that become the index: one-pass reservoir sampling per host (Vitter's algorithm R), then all reservoirs are
// gathered on the first host. While there is room for every row, input order is kept.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/knn/data/vectors.h"
#include "formats/batch.h"
#include "learning/numeric/philox.h"

namespace clary::knn {

/// Labelled rows and where they came from.
struct Sample {
  Vectors vectors;
  std::vector<float> labels;
  std::vector<std::int64_t> positions;  // of the row in its host's input, counted over the hosts in rank order
  std::vector<std::string> uids;        // Record.uid; empty, or one per row
  std::int64_t seen = 0;                // rows in the input

  std::int64_t rows() const { return static_cast<std::int64_t>(labels.size()); }
};

/// S / H of S, one more on the first S % H hosts; `all` (0) stays all.
std::int64_t share_of_sample(std::int64_t sample_size, int hosts, int rank);

class Reservoir {
 public:
  static constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

  /// @param capacity  rows kept; kUnlimited keeps all
  /// @param expected  rows to reserve memory for, when known
  Reservoir(std::int64_t capacity, std::uint64_t seed, int rank, std::int64_t expected = 0);

  /// @param rows  dense, one label each; every call has the same width
  void add(const formats::Batch& rows);

  const Sample& sample() const noexcept { return sample_; }
  Sample take() && { return std::move(sample_); }

 private:
  void put(std::int64_t slot, const formats::Batch& rows, std::int64_t row);

  std::int64_t capacity_, expected_;
  numeric::PhiloxStream random_;
  Sample sample_;
};

/// The bytes hosts exchange, and their inverse. @throws Error{kMalformed}
std::string to_bytes(const Sample& sample);
Sample sample_from_bytes(std::string_view bytes);

/// Appends `more` (a later rank's) to `all`, positions after those of all the rows that `all` has seen.
/// @throws Error{kInvalid} when widths differ
void append(Sample& all, Sample more);

}  // namespace clary::knn
