// SPDX-License-Identifier: Apache-2.0
// Fills a Batch row by row without zeroing memory again for every batch: the vectors are kept at their largest size
// while rows are written through pointers, and cut to length by finish(). Internal to formats.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/batch.h"

namespace clary::formats {

/// What all rows of a channel have in common. The first row fixes what is not known.
struct RowShape {
  std::int64_t width = 0;         // D; 0: not known yet
  std::int64_t label_width = -1;  // -1: not known yet
};

/// How many rows `bytes` hold when the first takes `row_bytes`, and an eighth more.
inline std::int64_t rows_expected(std::size_t bytes, std::size_t row_bytes) noexcept {
  const std::size_t rows = bytes / std::max<std::size_t>(row_bytes, 1) + 1;
  return static_cast<std::int64_t>(rows + rows / 8);
}

class BatchBuilder {
 public:
  /// Starts an empty batch in `out`, keeping its memory. @param sparse  CSR from the first row on
  BatchBuilder(Batch& out, bool sparse);

  std::int64_t rows() const noexcept { return out_.rows; }
  bool sparse() const noexcept { return out_.sparse; }

  /// Before the first row: about this many rows of this many numbers will come. Saves moving a growing batch about.
  void expect(std::int64_t rows, std::int64_t numbers_per_row) {
    constexpr std::int64_t kMostNumbers = 1 << 22;  // 16 MiB, of address space until written
    const std::int64_t fits = std::min(rows, kMostNumbers / std::max<std::int64_t>(numbers_per_row, 1));
    out_.values.reserve(static_cast<std::size_t>(fits * numbers_per_row));
    if (out_.sparse) out_.columns.reserve(out_.values.capacity());
  }

  /// Room for n more numbers (and columns, when sparse); valid until the next call. Nothing is kept before add_row.
  float* values_room(std::size_t n) {
    if (used_ + n > out_.values.size()) grow(out_.values, used_ + n);
    return out_.values.data() + used_;
  }
  std::int32_t* columns_room(std::size_t n) {
    if (used_ + n > out_.columns.size()) grow(out_.columns, used_ + n);
    return out_.columns.data() + used_;
  }
  float* labels_room(std::size_t n) {
    if (used_labels_ + n > out_.labels.size()) grow(out_.labels, used_labels_ + n);
    return out_.labels.data() + used_labels_;
  }

  /// Keeps the n numbers written to the rooms as the next row.
  void add_row(std::size_t n, std::size_t labels) {
    used_ += n;
    used_labels_ += labels;
    ++out_.rows;
    if (out_.sparse) out_.offsets.push_back(static_cast<std::int64_t>(used_));
  }

  /// Adds a dense row to whatever the batch is now.
  void add_dense_row(std::span<const float> values, std::size_t labels);

  /// Makes the rows so far CSR; later rows must be added as such.
  void become_sparse();

  /// Of the row just added; rows before that had none get weight 1 and query 0.
  void set_weight(float weight) {
    out_.weights.resize(static_cast<std::size_t>(out_.rows), 1);
    out_.weights.back() = weight;
  }
  void set_query(std::int64_t id) {
    out_.query_ids.resize(static_cast<std::size_t>(out_.rows));
    out_.query_ids.back() = id;
  }

  /// Per-row texts of the row just added.
  void set_uid(std::string_view text) { set_text(out_.uids, text); }
  void set_metadata(std::string_view text) { set_text(out_.metadata, text); }
  void set_configuration(std::string_view text) { set_text(out_.configurations, text); }

  /// Cuts the vectors to length and fills in the shape.
  void finish(const RowShape& shape);

  Batch& batch() noexcept { return out_; }

 private:
  template <class T>
  static void grow(std::vector<T>& v, std::size_t needed) {
    v.resize(
        std::max(needed, v.size() + v.size() / 16 + 4096));  // small steps: what is not used was zeroed for nothing
  }
  void set_text(std::vector<std::string>& texts, std::string_view text);

  Batch& out_;
  std::size_t used_ = 0;
  std::size_t used_labels_ = 0;
};

/// Sorts a sparse row's columns and adds up the values of equal ones; returns how many remain.
std::size_t sort_and_sum(std::size_t count, std::int32_t* columns, float* values);

}  // namespace clary::formats
