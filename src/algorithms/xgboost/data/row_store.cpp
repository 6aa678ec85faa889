// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/data/row_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>

#include "algorithms/xgboost/data/page_stream.h"
#include "base/error.h"

namespace clary::xgboost {
namespace {

using formats::Batch;

/// No NaN and no infinity: the bits without the sign say so, sixteen numbers an instruction.
bool all_finite(std::span<const float> values) {
  constexpr std::uint32_t kInfinity = 0x7F800000;
  std::uint32_t largest = 0;
  for (const float value : values) largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFF);
  return largest < kInfinity;
}

/// Removes the columns from dense rows, in place. @param columns  ascending
void remove_columns(Batch& batch, const std::vector<std::int64_t>& columns) {
  std::size_t kept = 0;
  const auto width = batch.width;
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    std::size_t next = 0;
    for (std::int64_t d = 0; d < width; ++d) {
      if (next < columns.size() && columns[next] == d) {
        ++next;
        continue;
      }
      batch.values[kept++] = batch.values[static_cast<std::size_t>(r * width + d)];
    }
  }
  batch.width -= static_cast<std::int64_t>(columns.size());
  batch.values.resize(kept);
}

/// A batch of the rows for which keep[r] is true.
Batch selected(const Batch& batch, const std::vector<bool>& keep) {
  Batch out;
  for (std::int64_t r = 0; r < batch.rows;) {
    std::int64_t end = r;
    while (end < batch.rows && keep[static_cast<std::size_t>(end)]) ++end;
    if (end > r) append_rows(out, batch, r, end - r);
    r = end + 1;
  }
  return out;
}

/// Gives back what a reader reserved for more rows than came, as at the end of each of many small files: blocks are
/// kept until the last file is read, and reserved memory counts against the instance's limit though it is not touched.
template <class T>
void release_spare(std::vector<T>& values) {
  constexpr std::size_t kKept = 1024;
  if (values.capacity() > values.size() + values.size() / 2 + kKept) values.shrink_to_fit();
}

constexpr std::size_t kEntriesAtOnce = 1 << 14;  // 128 KiB: stays in the cache between conversion and pipe

std::int64_t count_present(std::span<const float> values) {
  std::int64_t present = 0;
  for (const float value : values) present += value == value ? 1 : 0;
  return present;
}

/// Writes a row's numbers that are present; returns how many.
std::size_t put_entries(Entry* out, const Batch& block, std::int64_t r, bool complete) {
  const auto values = block.sparse ? block.row_values(r) : block.row(r);
  const std::int32_t* const columns = block.sparse ? block.row_columns(r).data() : nullptr;
  if (complete) {
    for (std::size_t i = 0; i < values.size(); ++i)
      out[i] = {columns != nullptr ? static_cast<std::uint32_t>(columns[i]) : static_cast<std::uint32_t>(i), values[i]};
    return values.size();
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {  // without a branch: each is written, and kept when present
    out[kept] = {columns != nullptr ? static_cast<std::uint32_t>(columns[i]) : static_cast<std::uint32_t>(i),
                 values[i]};
    kept += values[i] == values[i] ? 1 : 0;
  }
  return kept;
}

}  // namespace

// Takes over the batch's memory: a block of rows stays as it was read until the matrix is made.
void RowStore::add(Batch& batch) {
  split_roles(batch);
  if (batch.label_width == 0)
    throw Error(
        Kind::kInvalid,
        "Got input data without labels. Please check the input data set. If training job is running on multiple "
        "instances, please switch to using single instance if number of records in the data set is less than "
        "number of workers (16 * number of instance) in the cluster.");
  if (batch.label_width > 1 + (roles_.split_by_reader() == 2 ? 1 : 0))
    throw Error(Kind::kInvalid, fmt::format("channel {}: rows have {} labels, expected one", name_, batch.label_width));
  const bool complete = check(batch);
  const std::int64_t given = batch.rows;
  if (shares_ > 1) take_share(batch);
  // Rows of all hosts count, since error messages number the rows of the file.
  seen_ += given;
  if (batch.label_width == 2) {  // csv_weights: label, weight
    for (std::size_t i = 0; i < batch.labels.size(); i += 2) {
      labels_.push_back(batch.labels[i]);
      weights_.push_back(batch.labels[i + 1]);
    }
  } else {
    labels_.insert(labels_.end(), batch.labels.begin(), batch.labels.end());
  }
  const auto rows = static_cast<std::size_t>(rows_ + batch.rows);
  if (!batch.weights.empty() || !weights_.empty()) {
    // Weights may begin in a later batch: the rows before them have weight 1.
    weights_.resize(std::max(weights_.size(), static_cast<std::size_t>(rows_)), 1);
    weights_.insert(weights_.end(), batch.weights.begin(), batch.weights.end());
    weights_.resize(rows, 1);
  }
  if (!batch.query_ids.empty() || !queries_.empty()) {
    queries_.resize(static_cast<std::size_t>(rows_));
    queries_.insert(queries_.end(), batch.query_ids.begin(), batch.query_ids.end());
    queries_.resize(rows);
  }
  rows_ += batch.rows;
  width_ = std::max(width_, batch.width);
  batch.labels = std::vector<float>();
  release_spare(batch.values);
  release_spare(batch.columns);
  release_spare(batch.offsets);
  if (batch.rows > 0) blocks_.push_back({std::exchange(batch, {}), complete});
}

/// Labels, weights and groups that are in other columns than the first ones.
void RowStore::split_roles(Batch& batch) {
  if (roles_.split_by_reader() != 0 || batch.label_width != 0 || batch.sparse) return;
  std::vector<std::int64_t> columns;
  for (const std::int64_t column : {roles_.label, roles_.weight, roles_.group}) {
    if (column < 0) continue;
    if (column >= batch.width)
      throw Error(Kind::kInvalid, fmt::format("channel {}: column {} is named as label, weight or group, but rows have "
                                              "{} columns",
                                              name_, column, batch.width));
    columns.push_back(column);
  }
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    const auto row = batch.row(r);
    batch.labels.push_back(row[static_cast<std::size_t>(roles_.label)]);
    if (roles_.weight >= 0) batch.weights.push_back(row[static_cast<std::size_t>(roles_.weight)]);
    if (roles_.group < 0) continue;
    const float group = row[static_cast<std::size_t>(roles_.group)];
    if (!(group >= 0) || group != std::floor(group) || group >= 16777216)
      throw Error(Kind::kMalformed, fmt::format("channel {}: row {}: group {} is not a whole number from 0 to 16777215",
                                                name_, seen_ + r + 1, group));
    batch.query_ids.push_back(static_cast<std::int64_t>(group));
  }
  batch.label_width = 1;
  std::sort(columns.begin(), columns.end());
  remove_columns(batch, columns);
}

/// @return true when no feature is missing
bool RowStore::check(const Batch& batch) const {
  const auto fail = [&](std::size_t row, const std::string& problem) {
    throw Error(Kind::kMalformed,
                fmt::format("channel {}: row {}: {}", name_, seen_ + static_cast<std::int64_t>(row) + 1, problem));
  };
  const auto labels = static_cast<std::size_t>(batch.label_width);
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    const bool is_label = i % labels == 0;
    if (std::isfinite(batch.labels[i]) && (is_label || batch.labels[i] >= 0)) {
      if (is_label && label_rule_ && !label_rule_->allows(batch.labels[i]))
        fail(i / labels, label_rule_->problem(batch.labels[i]));
      continue;
    }
    if (is_label) fail(i / labels, fmt::format("label {} is not a finite number", batch.labels[i]));
    fail(i / labels, fmt::format("weight {} is not a number >= 0", batch.labels[i]));
  }
  for (std::size_t r = 0; r < batch.weights.size(); ++r)
    if (!(batch.weights[r] >= 0) || std::isinf(batch.weights[r]))
      fail(r, fmt::format("weight {} is not a number >= 0", batch.weights[r]));
  if (all_finite(batch.values)) return true;
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    const auto values = batch.sparse ? batch.row_values(r) : batch.row(r);
    for (const float value : values)
      if (std::isinf(value)) fail(static_cast<std::size_t>(r), "a feature is infinite");
  }
  return false;
}

/// Rows of this host, where every host reads all of them. Rows of one query stay together.
/// Dealt by row number, or by query where there are queries.
void RowStore::take_share(Batch& batch) {
  std::vector<bool> keep(static_cast<std::size_t>(batch.rows));
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    std::int64_t number = seen_ + r;
    if (!batch.query_ids.empty()) {
      const std::int64_t query = batch.query_ids[static_cast<std::size_t>(r)];
      if (query != last_query_) ++query_number_;
      last_query_ = query;
      number = query_number_;
    }
    keep[static_cast<std::size_t>(r)] = number % shares_ == share_;
  }
  const std::int64_t label_width = batch.label_width, width = batch.width;
  batch = selected(batch, keep);
  batch.label_width = label_width;
  batch.width = width;
}

/// Offsets of all rows, the number of entries last.
std::vector<std::int64_t> RowStore::offsets() const {
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(rows_) + 1);
  out.push_back(0);
  for (const auto& [block, complete] : blocks_)
    for (std::int64_t r = 0; r < block.rows; ++r) {
      const auto row = block.sparse ? block.row_values(r) : block.row(r);
      out.push_back(out.back() + (complete ? static_cast<std::int64_t>(row.size()) : count_present(row)));
    }
  return out;
}

Matrix RowStore::make_matrix(std::int64_t width, int threads) {
  Matrix matrix = can_stream_pages(threads) ? streamed(width) : converted(width, threads);
  set_row_fields(matrix);
  return matrix;
}

/// Blocks become entries a little at a time, and are freed as the library takes them.
/// Two passes: offsets first (the format has them before the entries), then the entries.
Matrix RowStore::streamed(std::int64_t width) {
  const auto starts = offsets();
  return matrix_from_stream(
      {rows_, width, starts.back()},
      [&](PageStream& out) { out.write(starts.data(), starts.size() * sizeof starts[0]); },
      [&](PageStream& out) {
        std::vector<Entry> entries(kEntriesAtOnce);
        for (auto& [block, complete] : blocks_) {
          std::size_t count = 0;
          for (std::int64_t r = 0; r < block.rows; ++r) {
            const std::size_t most = (block.sparse ? block.row_values(r) : block.row(r)).size();
            if (count + most > entries.size()) {
              out.write(std::span(entries).first(count));
              count = 0;
              if (most > entries.size()) entries.resize(most);
            }
            count += put_entries(entries.data() + count, block, r, complete);
          }
          out.write(std::span(entries).first(count));
          block = {};
        }
      });
}

/// The way of the documented interface, which sums the width over processes that train together.
/// For a collective of several hosts, or another number of threads.
Matrix RowStore::converted(std::int64_t width, int threads) {
  std::vector<std::int64_t> starts{0};
  std::vector<std::int32_t> columns;
  std::vector<float> values;
  std::vector<Entry> entries;
  for (auto& [block, complete] : blocks_) {
    for (std::int64_t r = 0; r < block.rows; ++r) {
      entries.resize((block.sparse ? block.row_values(r) : block.row(r)).size());
      entries.resize(put_entries(entries.data(), block, r, complete));
      for (const Entry& entry : entries) {
        columns.push_back(static_cast<std::int32_t>(entry.column));
        values.push_back(entry.value);
      }
      starts.push_back(static_cast<std::int64_t>(values.size()));
    }
    block = {};
  }
  return Matrix::from_csr(starts, columns, values, width, threads);
}

// Groups must be contiguous in the library.
void RowStore::set_row_fields(Matrix& matrix) {
  matrix.set_labels(labels_);
  if (queries_.empty()) {
    if (!weights_.empty()) matrix.set_weights(weights_);
    return;
  }
  std::vector<std::uint32_t> sizes;
  std::vector<float> group_weights;  // the library takes one weight a query
  std::unordered_set<std::int64_t> seen;
  for (std::size_t r = 0; r < queries_.size(); ++r) {
    if (r > 0 && queries_[r] == queries_[r - 1]) {
      ++sizes.back();
      continue;
    }
    if (!seen.insert(queries_[r]).second)
      throw Error(Kind::kMalformed, fmt::format("channel {}: query {} comes again after others; rows of one query must "
                                                "be adjacent",
                                                name_, queries_[r]));
    sizes.push_back(1);
    if (!weights_.empty()) group_weights.push_back(weights_[r]);
  }
  matrix.set_groups(sizes);
  if (!group_weights.empty()) matrix.set_weights(group_weights);
}

}  // namespace clary::xgboost
