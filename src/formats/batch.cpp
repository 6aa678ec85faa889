// SPDX-License-Identifier: Apache-2.0
#include "formats/batch.h"

#include <algorithm>

#include "base/error.h"

namespace clary::formats {
namespace {

template <class T>
void append_range(std::vector<T>& to, const std::vector<T>& from, std::int64_t first, std::int64_t count) {
  to.insert(to.end(), from.begin() + first, from.begin() + first + count);
}

/// What only some rows have: empty, or one per row. Fills the rows that had none before.
template <class T>
void append_optional(std::vector<T>& to, std::int64_t to_rows, const std::vector<T>& from, std::int64_t first,
                     std::int64_t count, const T& none = {}) {
  if (from.empty() && to.empty()) return;
  // Optional columns are empty until a row has a value; rows without one get `none`, before and behind.
  to.resize(static_cast<std::size_t>(to_rows), none);
  if (!from.empty()) append_range(to, from, first, count);
  to.resize(static_cast<std::size_t>(to_rows + count), none);
}

}  // namespace

// Columns are below the width: the decoders have checked them.
void make_dense(Batch& batch) {
  if (!batch.sparse) return;
  // Sparse rows list what is not zero; the rest is zero from the construction.
  std::vector<float> dense(static_cast<std::size_t>(batch.rows * batch.width));
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    const auto columns = batch.row_columns(r);
    const auto values = batch.row_values(r);
    float* row = dense.data() + r * batch.width;
    for (std::size_t i = 0; i < columns.size(); ++i) row[columns[i]] = values[i];
  }
  batch.values = std::move(dense);
  batch.columns.clear();
  batch.offsets.clear();
  batch.sparse = false;
}

void make_sparse(Batch& batch) {
  if (batch.sparse) return;
  batch.offsets.assign(1, 0);
  batch.columns.clear();
  std::size_t kept = 0;  // values move forward in place
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    const float* row = batch.values.data() + r * batch.width;
    for (std::int64_t d = 0; d < batch.width; ++d) {
      if (row[d] == 0) continue;
      batch.values[kept++] = row[d];
      batch.columns.push_back(static_cast<std::int32_t>(d));
    }
    batch.offsets.push_back(static_cast<std::int64_t>(kept));
  }
  batch.values.resize(kept);
  batch.sparse = true;
}

// Batches of one reader have the same shape; only sparse ones may differ in width, and the widest counts.
void append_rows(Batch& to, const Batch& from, std::int64_t first, std::int64_t count) {
  if (to.rows == 0) {
    to.sparse = from.sparse;
    to.width = from.width;
    to.label_width = from.label_width;
    // The memory of `to` is kept: batches are filled again and again.
    to.values.clear();
    to.columns.clear();
    to.labels.clear();
    if (to.sparse) to.offsets.assign(1, 0);
  } else if (to.sparse != from.sparse || (!to.sparse && to.width != from.width) || to.label_width != from.label_width) {
    throw Error(Kind::kInternal, "append_rows: batches of different shapes");
  }
  if (from.sparse) {
    const auto begin = from.offsets[static_cast<std::size_t>(first)];
    const auto end = from.offsets[static_cast<std::size_t>(first + count)];
    const std::int64_t shift = to.offsets.back() - begin;
    append_range(to.values, from.values, begin, end - begin);
    append_range(to.columns, from.columns, begin, end - begin);
    to.width = std::max(to.width, from.width);
    for (std::int64_t r = first + 1; r <= first + count; ++r) {
      to.offsets.push_back(from.offsets[static_cast<std::size_t>(r)] + shift);
    }
  } else {
    append_range(to.values, from.values, first * from.width, count * from.width);
  }
  append_range(to.labels, from.labels, first * from.label_width, count * from.label_width);
  append_optional(to.weights, to.rows, from.weights, first, count, 1.0F);
  append_optional(to.query_ids, to.rows, from.query_ids, first, count);
  append_optional(to.uids, to.rows, from.uids, first, count);
  append_optional(to.metadata, to.rows, from.metadata, first, count);
  append_optional(to.configurations, to.rows, from.configurations, first, count);
  append_optional(to.tokens, to.rows, from.tokens, first, count);
  to.rows += count;
}

}  // namespace clary::formats
