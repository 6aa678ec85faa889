// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/rows.h"

#include <algorithm>

namespace clary::linear_learner {

ColumnIndex index_columns(const Rows& rows, std::int64_t begin, std::int64_t end,
                          const std::vector<std::int32_t>& always) {
  struct Entry {
    std::int32_t column, row;
    float value;
  };
  const std::int64_t first = rows.offsets[static_cast<std::size_t>(begin)];
  const std::int64_t last = rows.offsets[static_cast<std::size_t>(end)];
  std::vector<Entry> entries;
  entries.reserve(static_cast<std::size_t>(last - first));
  for (std::int64_t r = begin; r < end; ++r) {
    for (auto i = static_cast<std::size_t>(rows.offsets[static_cast<std::size_t>(r)]);
         i < static_cast<std::size_t>(rows.offsets[static_cast<std::size_t>(r) + 1]); ++i) {
      entries.push_back({rows.columns[i], static_cast<std::int32_t>(r - begin), rows.values[i]});
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.column != b.column ? a.column < b.column : a.row < b.row;
  });
  ColumnIndex out;
  out.rows.reserve(entries.size());
  out.values.reserve(entries.size());
  auto listed = always.begin();
  const auto open = [&](std::int32_t column) {
    out.columns.push_back(column);
    out.offsets.push_back(static_cast<std::int64_t>(out.rows.size()));
  };
  for (const Entry& e : entries) {
    if (out.columns.empty() || out.columns.back() != e.column) {
      for (; listed != always.end() && *listed < e.column; ++listed) open(*listed);
      if (listed != always.end() && *listed == e.column) ++listed;
      open(e.column);
    }
    out.rows.push_back(e.row);
    out.values.push_back(e.value);
  }
  for (; listed != always.end(); ++listed) open(*listed);
  out.offsets.push_back(static_cast<std::int64_t>(out.rows.size()));
  return out;
}

}  // namespace clary::linear_learner
