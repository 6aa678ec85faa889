// SPDX-License-Identifier: Apache-2.0
// One mini-batch of rows, dense or CSR: what every reader and request decoder of this folder produces and every
// algorithm consumes. A Batch is plain data; pass the same object again to RowReader::next so that its memory is
// reused.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace clary::formats {

/// Rows of one mini-batch, dense or CSR. Dense: values[rows * width], row-major. Sparse: row r is
/// columns/values[offsets[r] .. offsets[r + 1]), columns strictly ascending and below width.
struct Batch {
  bool sparse = false;
  std::int64_t width = 0;  // D, features per row
  std::int64_t rows = 0;   // N
  std::vector<float> values;
  std::vector<std::int32_t> columns;             // sparse only
  std::vector<std::int64_t> offsets;             // sparse only: rows + 1
  std::vector<float> labels;                     // rows * label_width
  std::int64_t label_width = 0;                  // 0: no labels
  std::vector<float> weights;                    // empty, or one per row (libsvm label:weight); 1 where none was given
  std::vector<std::int64_t> query_ids;           // empty, or one per row (libsvm qid:n)
  std::vector<std::string> uids;                 // empty, or one per row (Record.uid)
  std::vector<std::string> metadata;             // empty, or one per row (Record.metadata)
  std::vector<std::string> configurations;       // inference only: per-row JSON options, empty or one per row
  std::vector<std::vector<std::string>> tokens;  // inference only: JSON {"tokens": [...]} rows (raw words), empty or
                                                 // one per row; such a row has no features (the batch is then sparse)

  /// Row r of a dense batch, `width` numbers.
  std::span<const float> row(std::int64_t r) const noexcept {
    return {values.data() + r * width, static_cast<std::size_t>(width)};
  }
  /// Numbers and columns of row r of a sparse batch.
  std::span<const float> row_values(std::int64_t r) const noexcept {
    return {values.data() + offsets[static_cast<std::size_t>(r)], row_size(r)};
  }
  std::span<const std::int32_t> row_columns(std::int64_t r) const noexcept {
    return {columns.data() + offsets[static_cast<std::size_t>(r)], row_size(r)};
  }
  std::size_t row_size(std::int64_t r) const noexcept {
    const auto i = static_cast<std::size_t>(r);
    return static_cast<std::size_t>(offsets[i + 1] - offsets[i]);
  }

  bool operator==(const Batch&) const = default;
};

/// How a reader lays rows out. kAsData: dense rows stay dense, and a batch with any sparse row is CSR.
enum class Layout { kAsData, kDense, kSparse };

/// Turns a CSR batch into a dense one and back (zeros dropped). Nothing happens when it already is.
void make_dense(Batch& batch);
void make_sparse(Batch& batch);

/// Appends rows [first, first + count) of `from` to `to`; both have the same layout, width and label width, or `to` is
/// empty. Sparse rows may differ in width (libsvm): the larger one counts.
void append_rows(Batch& to, const Batch& from, std::int64_t first, std::int64_t count);

}  // namespace clary::formats
