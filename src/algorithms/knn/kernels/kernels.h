// SPDX-License-Identifier: Apache-2.0
// The innermost loops of exact search, one set per instruction set, chosen once by what the CPU says. Pure functions:
// no state, any thread. Distances are float32 sums; two sets may differ in the last bits (another order of summation),
// one set always gives the same bits for the same rows, whichever path of flat_search.cpp asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace clary::knn {

/// A query prepared for scan() over the 8-bit copy (compact_rows.h). A row may be among the nearest only if
///   base + norm_weight * norm[row] - scale * (128 * dot(high, codes) + dot(low, codes))
///     <= limit + error[row] * (limit_slope + limit_curve * error[row])
struct CodeQuery {
  const std::int8_t* high = nullptr;  // D padded to 4; weight = 128 * high + low
  const std::int8_t* low = nullptr;
  float base = 0, norm_weight = 0, scale = 0;
  float limit = 0, limit_slope = 0, limit_curve = 0;
};

/// Blocks of 16 rows; in a block, the 4 codes of row r and columns 4g .. 4g+3 are at byte 64 g + 4 r.
struct CodeBlocks {
  const std::uint8_t* codes;
  const float* norms;   // 16 a block; +inf in rows that do not exist, which no query can then match
  const float* errors;  // 16 a block
  std::int64_t groups;  // columns / 4, rounded up
};

struct Kernels {
  const char* name;
  float (*squared_l2)(const float* a, const float* b, std::size_t width);
  float (*inner_product)(const float* a, const float* b, std::size_t width);
  /// For `count` blocks and 1 <= queries <= kMaxQueries: bit r of masks[q * count + b] says that row r of block b may
  /// be among the nearest of query q. Null where the CPU has no 8-bit dot product.
  void (*scan)(const CodeBlocks& blocks, std::int64_t count, std::span<const CodeQuery> queries, std::uint16_t* masks);
};

constexpr std::size_t kMaxQueries = 4;
constexpr int kBlockRows = 16;

/// The best set this CPU can run.
const Kernels& kernels();
/// Every set this CPU can run, the portable one first.
std::span<const Kernels> available_kernels();

}  // namespace clary::knn
