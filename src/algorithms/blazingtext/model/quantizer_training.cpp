// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/quantizer_training.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "algorithms/blazingtext/kernels/kernels.h"
#include "base/error.h"
#include "base/split_mix.h"

namespace clary::blazingtext {
namespace {

using kernels::kCentroids;
using kernels::PointSet;

constexpr std::int32_t kPartDim = 2;                    // fastText's dsub
constexpr std::int64_t kMostPoints = 256 * kCentroids;  // fastText's, to train on
constexpr int kRounds = 25;                             // fastText's
constexpr float kSplit = 1e-7f;                         // fastText's: how far two halves of a cluster begin apart
constexpr std::int64_t kBlock = 1024;                   // rows coded at a time

/// k-means of one part; centroids are stored column by column, as the kernel wants them.
/// Product quantisation: Jegou, Douze & Schmid, "Product Quantization for Nearest Neighbor Search", PAMI 33 (2011).
/// Each pair of columns gets 256 centroids and is stored as a byte.
class Clusters {
 public:
  Clusters(const PointSet& points, SplitMix64 random)
      : points_(points),
        random_(random),
        centroids_(static_cast<std::size_t>(points.width * kCentroids)),
        nearest_(static_cast<std::size_t>(points.count)) {
    begin();
    if (points.count > kCentroids)
      for (int round = 0; round < kRounds; ++round) improve();
    clear_least();
  }
  const numeric::Floats& columns() const { return centroids_; }

 private:
  float& at(std::int64_t k, std::int64_t n) { return centroids_[static_cast<std::size_t>(n * kCentroids + k)]; }

  /// Different points, drawn at random; with fewer than 256 each is a centroid, and no number is lost.
  /// The beginning of a Fisher-Yates shuffle.
  void begin() {
    std::vector<std::int32_t> order(static_cast<std::size_t>(points_.count));
    std::iota(order.begin(), order.end(), 0);
    const std::int64_t chosen = std::min(points_.count, kCentroids);
    for (std::int64_t k = 0; k < chosen; ++k) {
      const auto other = k + random_.below(static_cast<std::uint32_t>(points_.count - k));
      std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(other)]);
      for (std::int64_t n = 0; n < points_.width; ++n)
        at(k, n) = points_.first[order[static_cast<std::size_t>(k)] * points_.stride + n];
    }
  }

  /// Every point to its nearest centroid, every centroid to the mean of its points.
  void improve() {
    // Lloyd's algorithm: assign, average. Sums in double, since a cluster may have tens of thousands of points.
    kernels::nearest_centroids(points_, centroids_.data(), nearest_.data(), 1);
    std::vector<double> sums(centroids_.size());
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(kCentroids));
    for (std::int64_t i = 0; i < points_.count; ++i) {
      const auto k = nearest_[static_cast<std::size_t>(i)];
      ++sizes[k];
      for (std::int64_t n = 0; n < points_.width; ++n)
        sums[static_cast<std::size_t>(n * kCentroids + k)] +=
            static_cast<double>(points_.first[i * points_.stride + n]);
    }
    for (std::int64_t k = 0; k < kCentroids; ++k)
      if (const auto size = sizes[static_cast<std::size_t>(k)]; size > 0)
        for (std::int64_t n = 0; n < points_.width; ++n)
          at(k, n) = static_cast<float>(sums[static_cast<std::size_t>(n * kCentroids + k)] / static_cast<double>(size));
    // After all means, so that a split uses the new ones.
    for (std::int64_t k = 0; k < kCentroids; ++k)
      if (sizes[static_cast<std::size_t>(k)] == 0) split_into(k, sizes);
  }

  /// The centroid nearest to zeros becomes zeros: buckets that were never learned are, and stay so.
  void clear_least() {
    const std::vector<float> zeros(static_cast<std::size_t>(points_.width));
    std::uint8_t least = 0;
    kernels::nearest_centroids({zeros.data(), 1, points_.width, points_.width}, centroids_.data(), &least, 1);
    for (std::int64_t n = 0; n < points_.width; ++n) at(least, n) = 0;
  }

  /// An empty cluster takes half of another, which is chosen in proportion to its size.
  void split_into(std::int64_t empty, std::vector<std::int64_t>& sizes) {
    std::int64_t place = random_.below(static_cast<std::uint32_t>(points_.count));
    std::size_t from = 0;
    while (place >= sizes[from]) place -= sizes[from++];
    for (std::int64_t n = 0; n < points_.width; ++n) {
      const float shift = n % 2 == 0 ? kSplit : -kSplit, value = at(static_cast<std::int64_t>(from), n);
      at(empty, n) = value + shift, at(static_cast<std::int64_t>(from), n) = value - shift;
    }
    sizes[static_cast<std::size_t>(empty)] = sizes[from] / 2;
    sizes[from] -= sizes[from] / 2;
  }

  PointSet points_;
  SplitMix64 random_;
  numeric::Floats centroids_;  // [width, kCentroids]
  std::vector<std::uint8_t> nearest_;
};

float length_of(std::span<const float> row) { return std::sqrt(dot(row, row)); }

/// The rows that are asked for, as they are or of length 1.
class Rows {
 public:
  Rows(const Matrix& matrix, std::span<const std::int32_t> rows, bool unit)
      : matrix_(matrix), rows_(rows), unit_(unit) {}

  std::int64_t count() const { return std::ssize(rows_); }
  std::int64_t columns() const { return matrix_.columns; }
  float length(std::int64_t i) const { return length_of(matrix_.row(rows_[static_cast<std::size_t>(i)])); }

  void copy(std::int64_t i, float* to) const {
    const auto row = matrix_.row(rows_[static_cast<std::size_t>(i)]);
    const float length = unit_ ? length_of(row) : 1.0F;
    const float factor = length > 0 ? 1 / length : 0.0F;
    for (std::size_t n = 0; n < row.size(); ++n) to[n] = row[n] * factor;
  }

 private:
  const Matrix& matrix_;
  std::span<const std::int32_t> rows_;
  bool unit_;
};

/// At most kMostPoints of them, evenly spread, so of frequent and of rare words.
std::vector<float> sample_of(const Rows& rows) {
  const std::int64_t count = std::min(rows.count(), kMostPoints);
  std::vector<float> out(static_cast<std::size_t>(count * rows.columns()));
  for (std::int64_t i = 0; i < count; ++i) rows.copy(i * rows.count() / count, out.data() + i * rows.columns());
  return out;
}

/// Each part's centroids, column by column.
using Parts = std::vector<numeric::Floats>;

ProductQuantizer shape_of(std::int64_t dim) {
  ProductQuantizer out;
  out.dim = static_cast<std::int32_t>(dim);
  out.parts = (out.dim + kPartDim - 1) / kPartDim;
  out.part_dim = std::min(kPartDim, out.dim);
  out.last_dim = out.dim - (out.parts - 1) * out.part_dim;
  return out;
}

std::int64_t width_of(const ProductQuantizer& q, std::int64_t part) {
  return part == q.parts - 1 ? q.last_dim : q.part_dim;
}

/// @param points  [count, q.dim]
Parts train(ProductQuantizer& q, std::span<const float> points, std::uint64_t seed, numeric::Team& team) {
  // Parts are independent: one thread each, and a generator for each part makes the result independent of the number
  // of threads.
  Parts out(static_cast<std::size_t>(q.parts));
  const std::int64_t count = std::ssize(points) / q.dim;
  team.run([&](int thread) {
    for (std::int64_t part = thread; part < q.parts; part += team.size())
      out[static_cast<std::size_t>(part)] =
          Clusters({points.data() + part * q.part_dim, count, width_of(q, part), q.dim},
                   SplitMix64(seed, static_cast<std::uint64_t>(part)))
              .columns();
  });
  // From column by column (the kernel's order) to fastText's order in the file.
  for (std::int64_t part = 0; part < q.parts; ++part)
    for (std::int64_t k = 0; k < kCentroids; ++k)
      for (std::int64_t n = 0; n < width_of(q, part); ++n)
        q.centroids.push_back(out[static_cast<std::size_t>(part)][static_cast<std::size_t>(n * kCentroids + k)]);
  return out;
}

void encode(const ProductQuantizer& q, const Parts& parts, const Rows& rows, std::vector<std::uint8_t>& codes,
            numeric::Team& team) {
  // Blocks of rows are gathered once and coded by all parts while they are in the cache.
  codes.resize(static_cast<std::size_t>(rows.count() * q.parts));
  team.run([&](int thread) {
    const auto [first, last] = numeric::share(rows.count(), thread, team.size());
    std::vector<float> block(static_cast<std::size_t>(kBlock * q.dim));
    for (std::int64_t begin = first; begin < last; begin += kBlock) {
      const std::int64_t count = std::min(kBlock, last - begin);
      for (std::int64_t i = 0; i < count; ++i) rows.copy(begin + i, block.data() + i * q.dim);
      for (std::int64_t part = 0; part < q.parts; ++part)
        kernels::nearest_centroids({block.data() + part * q.part_dim, count, width_of(q, part), q.dim},
                                   parts[static_cast<std::size_t>(part)].data(), codes.data() + begin * q.parts + part,
                                   q.parts);
    }
  });
}

/// The rows' lengths as numbers of 256 lengths.
void quantize_lengths(const Rows& rows, std::uint64_t seed, numeric::Team& team, QuantizedMatrix& out) {
  std::vector<float> lengths, sample;
  for (std::int64_t i = 0; i < rows.count(); ++i) lengths.push_back(rows.length(i));
  const std::int64_t count = std::min(rows.count(), kMostPoints);
  for (std::int64_t i = 0; i < count; ++i)
    sample.push_back(lengths[static_cast<std::size_t>(i * rows.count() / count)]);
  out.has_norms = true;
  out.norm_quantizer = shape_of(1);
  const Parts parts = train(out.norm_quantizer, sample, seed, team);
  out.norm_codes.resize(lengths.size());
  kernels::nearest_centroids({lengths.data(), rows.count(), 1, 1}, parts[0].data(), out.norm_codes.data(), 1);
}

}  // namespace

QuantizedMatrix quantize_rows(const Matrix& matrix, std::span<const std::int32_t> rows, bool norms, std::uint64_t seed,
                              numeric::Team& team) {
  QuantizedMatrix out;
  out.rows = std::ssize(rows), out.columns = matrix.columns;
  out.quantizer = shape_of(matrix.columns);
  if (out.rows * out.quantizer.parts > std::numeric_limits<std::int32_t>::max())
    throw Error(Kind::kLimit, "quantize: " + std::to_string(out.rows) + " rows of " +
                                  std::to_string(out.quantizer.parts) +
                                  " codes are more than 2^31 - 1 codes; set quantize_cutoff or lower buckets");
  const Rows wanted(matrix, rows, norms);
  const Parts parts = train(out.quantizer, sample_of(wanted), seed, team);
  encode(out.quantizer, parts, wanted, out.codes, team);
  if (norms) quantize_lengths(wanted, seed + 1, team, out);
  return out;
}

}  // namespace clary::blazingtext
