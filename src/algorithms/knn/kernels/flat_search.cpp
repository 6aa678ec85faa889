// SPDX-License-Identifier: Apache-2.0
// See flat_search.h. Work is cut into units of (group of queries) x (slice of rows). A unit walks its slice in chunks
// that stay in the first-level cache while each query of the group passes over them; per-unit heaps are merged at the
// end.
#include "algorithms/knn/kernels/flat_search.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <limits>
#include <memory>

#include "algorithms/knn/kernels/nearest.h"

namespace clary::knn {
namespace {

constexpr std::int64_t kGroupQueries = 32;
constexpr std::int64_t kChunkBytes = 32 << 10;
// Below this many bytes to read, waking a helper costs more than it saves.
constexpr std::int64_t kWorthSharing = 256 << 10;
constexpr std::int64_t kSlicesPerThread = 4;
// The copy is left alone for the rest of a slice when more than this share of its rows had to be measured anyway.
constexpr std::int64_t kPatienceRows = 4096;
constexpr std::int64_t kUselessShare = 4;  // 1/4
constexpr std::int64_t kRowsAhead = 8;     // rows prefetched ahead in the plain scan

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// What faiss's inner-product search keeps of equal products. It reads rows in id order; a newcomer must beat the worst
/// kept and then evicts, of the worst, the one with the smallest id. So, with v the k-th best product: of the first k
/// rows that have at least v, the ones that tie at v stay, except as many of the smallest ids as better rows came
/// later. The same in its order of output: equal products by descending id.
/// @param best  the 2 k best by (cost, id), which hold every row of that description
std::vector<Neighbour> chosen_as_faiss(std::vector<Neighbour> best, std::size_t k) {
  const auto by_descending_id = [](const Neighbour& a, const Neighbour& b) {
    return a.cost < b.cost || (a.cost == b.cost && a.id > b.id);
  };
  if (best.size() > k) {
    const float last = best[k - 1].cost;
    const auto worse = std::find_if(best.begin(), best.end(), [&](const Neighbour& one) { return one.cost > last; });
    best.erase(worse, best.end());
    const auto better = static_cast<std::size_t>(
        std::find_if(best.begin(), best.end(), [&](const Neighbour& one) { return one.cost == last; }) - best.begin());
    std::vector<Neighbour> first = best;
    std::sort(first.begin(), first.end(), [](const Neighbour& a, const Neighbour& b) { return a.id < b.id; });
    first.resize(k);
    std::erase_if(first, [&](const Neighbour& one) { return one.cost != last; });
    best.resize(better);
    best.insert(best.end(), first.end() - static_cast<std::ptrdiff_t>(k - better), first.end());
  }
  std::sort(best.begin(), best.end(), by_descending_id);
  return best;
}

/// A bound that several threads find together for one query: the smallest k-th best cost of any of them.
/// Relaxed: the bound only saves work; a stale one, being larger, lets more rows through but never drops one.
void lower(std::atomic<float>& shared, float value) {
  float seen = shared.load(std::memory_order_relaxed);
  while (value < seen && !shared.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

FlatSearch::FlatSearch(const float* rows, std::int64_t count, std::int64_t width, bool l2, numeric::Team& pool,
                       Copy copy)
    : rows_(rows), count_(count), width_(width), l2_(l2), pool_(pool) {
  if (copy == Copy::kAuto) compact_ = CompactRows::make(rows, count, width, pool);
}

/// One call of search(): what its units share.
class FlatSearch::Task {
 public:
  Task(const FlatSearch& flat, const float* queries, std::int64_t count, std::int64_t k)
      : flat_(flat), queries_(queries), count_(count), k_(k), groups_(ceil_div(count, kGroupQueries)) {
    if (flat.compact_) {
      for (std::int64_t q = 0; q < count; ++q) {
        prepared_.push_back(flat.compact_->prepare(queries + q * flat.width_, flat.l2_));
      }
    }
    const std::int64_t blocks = ceil_div(flat.count_, kBlockRows);
    // With enough groups of queries each thread has work without cutting the rows.
    const std::int64_t wanted = groups_ >= 2 * flat.pool_.size() ? 1 : kSlicesPerThread * flat.pool_.size();
    const std::int64_t bytes = flat.count_ * flat.width_ * (flat.compact_ ? 1 : 4) * std::min(count, kGroupQueries);
    slices_ = flat.pool_.size() == 1 ? 1 : std::clamp<std::int64_t>(bytes / kWorthSharing, 1, wanted);
    slices_ = std::min(slices_, blocks);
    slice_blocks_ = ceil_div(blocks, slices_);
    // Inner products keep twice as many, see chosen_as_faiss().
    found_.assign(static_cast<std::size_t>(slices_ * count), Nearest(flat.l2_ ? k : std::min(2 * k, flat.count_)));
    bounds_ = std::make_unique<std::atomic<float>[]>(static_cast<std::size_t>(count));
    for (std::int64_t q = 0; q < count; ++q)
      bounds_[static_cast<std::size_t>(q)] = std::numeric_limits<float>::infinity();
  }

  std::int64_t units() const { return groups_ * slices_; }

  void run_unit(std::int64_t unit) {
    const std::int64_t group = unit / slices_, slice = unit % slices_;
    const std::int64_t first = group * kGroupQueries, last = std::min(count_, first + kGroupQueries);
    const std::int64_t row = slice * slice_blocks_ * kBlockRows;
    const std::int64_t end = std::min(flat_.count_, row + slice_blocks_ * kBlockRows);
    if (flat_.compact_) {
      scan_codes(slice, first, last, row, end);
    } else {
      scan_rows(slice, first, last, row, end);
    }
  }

  // Runs on the caller after all units. Slices are merged in their order, and ties are by id: the answer depends
  // neither on the number of threads nor on their timing.
  void finish(float* distances, std::int64_t* ids) {
    for (std::int64_t q = 0; q < count_; ++q) {
      Nearest all = std::move(nearest(0, q));
      for (std::int64_t s = 1; s < slices_; ++s) all.merge(nearest(s, q));
      std::int64_t at = q * k_;
      std::vector<Neighbour> best = std::move(all).sorted();
      if (!flat_.l2_) best = chosen_as_faiss(std::move(best), static_cast<std::size_t>(k_));
      for (const Neighbour& one : best) {
        distances[at] = flat_.l2_ ? one.cost : -one.cost;
        ids[at++] = one.id;
      }
      // Fewer than k: inner products of huge numbers that came out as NaN.
      for (; at < (q + 1) * k_; ++at) ids[at] = -1, distances[at] = std::numeric_limits<float>::quiet_NaN();
    }
  }

 private:
  Nearest& nearest(std::int64_t slice, std::int64_t q) { return found_[static_cast<std::size_t>(slice * count_ + q)]; }
  const float* row_at(std::int64_t row) const { return flat_.rows_ + row * flat_.width_; }

  void measure(Nearest& best, std::int64_t q, std::int64_t row) {
    const auto width = static_cast<std::size_t>(flat_.width_);
    const float* query = queries_ + q * flat_.width_;
    const float cost =
        flat_.l2_ ? kernels_.squared_l2(query, row_at(row), width) : -kernels_.inner_product(query, row_at(row), width);
    // `<=`: at equal cost a smaller id may still win.
    if (cost <= best.worst() && best.offer({cost, row})) lower(bounds_[static_cast<std::size_t>(q)], best.worst());
  }

  // Rows outside, queries inside: a chunk is read from memory once for the whole group.
  void scan_rows(std::int64_t slice, std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end) {
    const std::int64_t chunk = std::max<std::int64_t>(1, kChunkBytes / (4 * flat_.width_));
    for (std::int64_t row = begin; row < end; row += chunk) {
      const std::int64_t stop = std::min(end, row + chunk);
      for (std::int64_t q = first; q < last; ++q) scan_rows_of(nearest(slice, q), q, row, stop);
    }
  }

  void scan_rows_of(Nearest& best, std::int64_t q, std::int64_t row, std::int64_t stop) {
    for (; row < stop; ++row) {
      // May point beyond the last row; a prefetch never faults.
      const char* ahead = reinterpret_cast<const char*>(flat_.rows_) + (row + kRowsAhead) * flat_.width_ * 4;
      for (std::int64_t line = 0; line < flat_.width_ * 4; line += 64) __builtin_prefetch(ahead + line);
      measure(best, q, row);
    }
  }

  /// Chunks of blocks against up to kMaxQueries queries at a time; what the codes cannot rule out is measured.
  void scan_codes(std::int64_t slice, std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kMostBlocks = 64;
    const std::int64_t chunk = std::clamp<std::int64_t>(kChunkBytes / (flat_.width_ * kBlockRows), 1, kMostBlocks);
    std::array<std::uint16_t, kMaxQueries * kMostBlocks> masks;
    std::array<std::int64_t, kGroupQueries> measured{};
    for (std::int64_t row = begin; row < end; row += chunk * kBlockRows) {
      const std::int64_t stop = std::min(end, row + chunk * kBlockRows);
      const std::int64_t blocks = ceil_div(stop - row, kBlockRows);
      // Queries that the copy serves are gathered until a tile is full; the others scan the chunk at once.
      std::array<std::int64_t, kMaxQueries> tile;
      std::array<CodeQuery, kMaxQueries> codes;
      std::size_t filled = 0;
      for (std::int64_t q = first; q < last; ++q) {
        if (!copy_pays(q, measured[static_cast<std::size_t>(q - first)], row - begin)) {
          scan_rows_of(nearest(slice, q), q, row, stop);
        } else {
          CodeQuery& code = codes[filled];
          tile[filled++] = q;
          code = limited(slice, q);
        }
        // The last, partly filled tile of a group runs too.
        if (filled == 0 || (filled < kMaxQueries && q + 1 < last)) continue;
        kernels_.scan(flat_.compact_->blocks_from(row / kBlockRows), blocks, {codes.data(), filled}, masks.data());
        for (std::size_t t = 0; t < filled; ++t) {
          const std::uint16_t* mask = masks.data() + static_cast<std::int64_t>(t) * blocks;
          measured[static_cast<std::size_t>(tile[t] - first)] += measure_marked(slice, tile[t], row, mask, blocks);
        }
        filled = 0;
      }
    }
  }

  bool copy_pays(std::int64_t q, std::int64_t measured, std::int64_t scanned) const {
    // Per query and slice: queries far from all rows (or rows alike) let the estimate rule out little.
    if (!prepared_[static_cast<std::size_t>(q)].usable) return false;
    return scanned < kPatienceRows || measured * kUselessShare < scanned;
  }

  CodeQuery limited(std::int64_t slice, std::int64_t q) {
    const auto i = static_cast<std::size_t>(q);
    const float worst = std::min(nearest(slice, q).worst(), bounds_[i].load(std::memory_order_relaxed));
    return prepared_[i].limited(worst);
  }

  std::int64_t measure_marked(std::int64_t slice, std::int64_t q, std::int64_t row, const std::uint16_t* masks,
                              std::int64_t blocks) {
    Nearest& best = nearest(slice, q);
    std::int64_t measured = 0;
    for (std::int64_t b = 0; b < blocks; ++b) {
      // One bit per row of the block, lowest first.
      for (unsigned mask = masks[b]; mask != 0; mask &= mask - 1, ++measured) {
        measure(best, q, row + b * kBlockRows + std::countr_zero(mask));
      }
    }
    return measured;
  }

  const FlatSearch& flat_;
  const Kernels& kernels_ = kernels();
  const float* queries_;
  std::int64_t count_, k_, groups_, slices_ = 1, slice_blocks_ = 1;
  std::vector<CompactRows::Query> prepared_;
  std::vector<Nearest> found_;                    // [slices, queries]
  std::unique_ptr<std::atomic<float>[]> bounds_;  // [queries], what any slice has found
};

void FlatSearch::search(const float* queries, std::int64_t count, std::int64_t k, float* distances,
                        std::int64_t* ids) const {
  Task task(*this, queries, count, k);
  pool_.run_units(task.units(), [&](std::int64_t unit) { task.run_unit(unit); });
  task.finish(distances, ids);
}

}  // namespace clary::knn
