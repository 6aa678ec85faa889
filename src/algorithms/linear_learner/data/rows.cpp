// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/data/rows.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

/// The columns of entries [first, last) and of `always`, ascending.
std::vector<std::int32_t> columns_of(const Rows& rows, std::size_t first, std::size_t last,
                                     const std::vector<std::int32_t>& always) {
  std::vector<std::int32_t> columns;
  if (last - first > at(rows.features) / 8) {  // a scan over all columns is cheaper than sorting
    std::vector<char> present(at(rows.features), 0);
    for (std::size_t i = first; i < last; ++i) present[at(rows.columns[i])] = 1;
    for (const std::int32_t c : always) present[at(c)] = 1;
    for (std::size_t c = 0; c < present.size(); ++c) {
      if (present[c]) columns.push_back(static_cast<std::int32_t>(c));
    }
    return columns;
  }
  columns.assign(rows.columns.begin() + static_cast<std::ptrdiff_t>(first),
                 rows.columns.begin() + static_cast<std::ptrdiff_t>(last));
  columns.insert(columns.end(), always.begin(), always.end());
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

}  // namespace

std::vector<std::int32_t> list_columns(const Rows& rows, std::int64_t begin, std::int64_t end,
                                       const std::vector<std::int32_t>& always) {
  return columns_of(rows, at(rows.offsets[at(begin)]), at(rows.offsets[at(end)]), always);
}

/// Counting sort; `place` is where a column's next entry goes.
ColumnIndex index_columns(const Rows& rows, std::int64_t begin, std::int64_t end,
                          const std::vector<std::int32_t>& always, std::vector<std::int64_t>& place) {
  const std::size_t first = at(rows.offsets[at(begin)]), last = at(rows.offsets[at(end)]);
  ColumnIndex out;
  out.columns = columns_of(rows, first, last, always);
  // `place` keeps its size between calls; only entries of these columns are reset.
  place.resize(at(rows.features));
  for (const std::int32_t c : out.columns) place[at(c)] = 0;
  for (std::size_t i = first; i < last; ++i) ++place[at(rows.columns[i])];
  std::int64_t next = 0;
  out.offsets.reserve(out.columns.size() + 1);
  for (const std::int32_t c : out.columns) {
    out.offsets.push_back(next);
    // After this place[c] is the start of c's entries.
    next += std::exchange(place[at(c)], next);
  }
  out.offsets.push_back(next);
  out.rows.resize(last - first);
  out.values.resize(last - first);
  for (std::int64_t r = begin; r < end; ++r) {
    for (std::size_t i = at(rows.offsets[at(r)]); i < at(rows.offsets[at(r) + 1]); ++i) {
      const std::size_t to = at(place[at(rows.columns[i])]++);
      out.rows[to] = static_cast<std::int32_t>(r - begin);
      out.values[to] = rows.values[i];
    }
  }
  return out;
}

}  // namespace clary::linear_learner
