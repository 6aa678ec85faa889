// SPDX-License-Identifier: Apache-2.0
// See index_file.h. Every count is compared with the bytes that are left before anything is multiplied by it.
#include "algorithms/knn/model/index_file.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "learning/artifact/byte_cursor.h"

namespace clary::knn {
namespace {

constexpr std::int64_t kMaxWidth = 1 << 24;
constexpr std::uint64_t kPqCentroids = 256;  // 8 bits

using Cursor = artifact::ByteCursor;

// What write_index_header of faiss (impl/index_write.cpp) stores first. All numbers are little-endian, as on this
// machine.
struct Header {
  std::int64_t width, rows;
  bool l2;
};

Header read_header(Cursor& in) {
  const std::size_t at = in.at();
  const auto width = in.take<std::int32_t>("dimension");
  if (width < 1 || width > kMaxWidth) in.fail(at, fmt::format("dimension is {}, must be 1 to {}", width, kMaxWidth));
  const auto rows = in.take<std::int64_t>("vector count");
  // Each vector takes at least one byte, which bounds the product of rows and width below.
  if (rows < 0 || static_cast<std::uint64_t>(rows) > in.left()) {
    in.fail(at + 4, fmt::format("vector count is {}, but only {} bytes follow", rows, in.left()));
  }
  in.skip(16, "reserved words");  // two unused numbers
  in.expect<std::uint8_t>("is_trained", 1);
  const std::size_t metric_at = in.at();
  const auto metric = in.take<std::int32_t>("metric");
  if (metric != 0 && metric != 1) {
    in.fail(metric_at, fmt::format("metric is {}, must be 0 (inner product) or 1 (L2)", metric));
  }
  return {width, rows, metric == 1};
}

// NaN would make every comparison of a search false, and the answer would depend on the order of rows.
void check_finite(const Cursor& in, std::span<const std::byte> floats, std::size_t at, std::string_view what) {
  for (std::size_t i = 0; i < floats.size(); i += sizeof(float)) {
    float value;
    std::memcpy(&value, floats.data() + i, sizeof(value));
    if (!std::isfinite(value)) in.fail(at + i, fmt::format("{} holds {}, must be finite", what, value));
  }
}

/// After its tag: header, u64 count, floats.
Header read_flat(Cursor& in, bool l2_tag) {
  const std::size_t at = in.at();
  const Header header = read_header(in);
  if (header.l2 != l2_tag) in.fail(at, "metric contradicts the type tag");
  const auto floats = in.count("number count", sizeof(float));
  // No overflow: rows fit in the file's size, width in 24 bits.
  const auto wanted = static_cast<std::uint64_t>(header.rows) * static_cast<std::uint64_t>(header.width);
  if (floats != wanted) in.fail(at, fmt::format("{} numbers for {} x {}", floats, header.rows, header.width));
  const std::size_t data_at = in.at();
  check_finite(in, in.skip(floats * sizeof(float), "vectors"), data_at, "a vector");
  return header;
}

// faiss writes the sizes of all lists ("full"), or pairs of list and size when more than half of them are empty
// ("sprs").
std::vector<std::uint64_t> read_list_sizes(Cursor& in, std::uint64_t nlist) {
  std::vector<std::uint64_t> sizes(static_cast<std::size_t>(nlist));
  const std::size_t at = in.at();
  const std::string_view kind = in.tag();
  if (kind == "full") {
    if (in.count("list count", 8) != nlist) in.fail(at, "list sizes do not match nlist");
    for (std::uint64_t& size : sizes) size = in.take<std::uint64_t>("list size");
    return sizes;
  }
  if (kind != "sprs") in.fail(at, "list sizes must be marked full or sprs");
  const std::uint64_t numbers = in.count("pair count", 8);
  if (numbers % 2 != 0) in.fail(at, fmt::format("{} numbers are not pairs", numbers));
  for (std::uint64_t i = 0; i < numbers; i += 2) {
    const std::size_t pair_at = in.at();
    const auto list = in.take<std::uint64_t>("list number");
    const auto size = in.take<std::uint64_t>("list size");
    if (list >= nlist) in.fail(pair_at, fmt::format("list number {} of {} lists", list, nlist));
    sizes[static_cast<std::size_t>(list)] = size;
  }
  return sizes;
}

void read_lists(Cursor& in, std::uint64_t nlist, std::uint64_t code_size, std::int64_t rows, bool float_codes) {
  const std::size_t at = in.at();
  if (in.tag() != "ilar") in.fail(at, "inverted lists must be marked ilar");
  in.expect<std::uint64_t>("list count", nlist);
  in.expect<std::uint64_t>("code size", code_size);
  std::uint64_t total = 0;
  for (const std::uint64_t size : read_list_sizes(in, nlist)) {
    // code_size + 8: each entry is a code and an id. Division, so that a hostile size cannot overflow.
    if (size > in.left() / (code_size + 8)) {
      in.fail(in.at(), fmt::format("a list of {} vectors, but only {} bytes follow", size, in.left()));
    }
    const std::size_t codes_at = in.at();
    const auto codes = in.skip(size * code_size, "codes");
    if (float_codes) check_finite(in, codes, codes_at, "a vector");
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::size_t id_at = in.at();
      const auto id = in.take<std::int64_t>("id");
      // Model::label() and positions are indexed by id without another check.
      if (id < 0 || id >= rows) in.fail(id_at, fmt::format("id {} of {} vectors", id, rows));
    }
    total += size;
  }
  if (total != static_cast<std::uint64_t>(rows)) {
    in.fail(at, fmt::format("lists hold {} vectors, the header says {}", total, rows));
  }
}

/// Product quantiser after its flag and code size: u64 d, m, bits, count; floats.
std::uint64_t read_quantiser(Cursor& in, std::int64_t width) {
  const std::size_t at = in.at();
  in.expect<std::uint64_t>("dimension of the product quantiser", static_cast<std::uint64_t>(width));
  const auto m = in.take<std::uint64_t>("sub-vector count");
  if (m == 0 || m > static_cast<std::uint64_t>(width) || static_cast<std::uint64_t>(width) % m != 0) {
    in.fail(at, fmt::format("sub-vector count {} does not divide dimension {}", m, width));
  }
  in.expect<std::uint64_t>("bits per code", 8);
  const auto floats = in.count("number count", sizeof(float));
  if (floats != kPqCentroids * static_cast<std::uint64_t>(width)) {
    in.fail(at, fmt::format("{} numbers for {} centroids of {} dimensions", floats, kPqCentroids, width));
  }
  const std::size_t data_at = in.at();
  check_finite(in, in.skip(floats * sizeof(float), "centroids"), data_at, "a centroid");
  return m;
}

IndexFileSummary read_ivf(Cursor& in, IndexType type) {
  const std::size_t at = in.at();
  const Header header = read_header(in);
  const auto width = static_cast<std::uint64_t>(header.width);
  const std::uint64_t nlist = in.count("cell count", width * sizeof(float));
  const std::size_t probes_at = in.at();
  const auto nprobe = in.take<std::uint64_t>("nprobe");
  if (nlist == 0) in.fail(at, "an IVF index needs at least one cell");
  if (nprobe == 0 || nprobe > (1ULL << 31)) in.fail(probes_at, fmt::format("nprobe is {}, must be 1 to 2^31", nprobe));
  const std::size_t centroids_at = in.at();
  const std::string_view tag = in.tag();
  if (tag != "IxF2" && tag != "IxFI") in.fail(centroids_at, "the cells must be a flat index");
  const Header cells = read_flat(in, tag == "IxF2");
  if (cells.width != header.width || static_cast<std::uint64_t>(cells.rows) != nlist || cells.l2 != header.l2) {
    in.fail(centroids_at, "dimension, count or metric of the cells contradicts the index");
  }
  // A direct map (from id to place) is written by programs that remove vectors; nothing here needs one.
  in.expect<std::uint8_t>("direct map type", 0);
  in.expect<std::uint64_t>("direct map size", 0);

  std::uint64_t m = 1, code_size = width * sizeof(float);
  if (type == IndexType::kIvfPq) {
    if (!header.l2) in.fail(at, "an IVFPQ index must use L2");
    in.expect<std::uint8_t>("by_residual", 1);
    code_size = in.take<std::uint64_t>("code size");
    m = read_quantiser(in, header.width);
    if (code_size != m) in.fail(at, fmt::format("code size is {}, must be the sub-vector count {}", code_size, m));
  }
  read_lists(in, nlist, code_size, header.rows, type == IndexType::kIvfFlat);
  return {type,
          header.l2,
          header.width,
          header.rows,
          static_cast<std::int64_t>(nlist),
          static_cast<std::int64_t>(nprobe),
          static_cast<std::int64_t>(m)};
}

}  // namespace

IndexFileSummary check_index_file(std::span<const std::byte> bytes, const std::string& name) {
  Cursor in(bytes, name);
  const std::string_view tag = in.tag();
  IndexFileSummary out;
  if (tag == "IxF2" || tag == "IxFI") {
    const Header header = read_flat(in, tag == "IxF2");
    out = {IndexType::kFlat, header.l2, header.width, header.rows, 1, 1, 1};
  } else if (tag == "IwFl") {
    out = read_ivf(in, IndexType::kIvfFlat);
  } else if (tag == "IwPQ") {
    out = read_ivf(in, IndexType::kIvfPq);
  } else {
    in.fail(0, "not a faiss Flat, IVFFlat or IVFPQ index");
  }
  // A longer file is of a format that this reader does not know in full.
  if (in.left() != 0) in.fail(in.at(), fmt::format("{} bytes follow the index", in.left()));
  return out;
}

}  // namespace clary::knn
