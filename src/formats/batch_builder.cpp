// SPDX-License-Identifier: Apache-2.0
#include "formats/batch_builder.h"

#include <utility>

namespace clary::formats {

// Takes over the batch's memory: vectors are overwritten from the start and cut to what was used by finish().
BatchBuilder::BatchBuilder(Batch& out, bool sparse) : out_(out) {
  out.sparse = sparse;
  out.rows = 0;
  out.offsets.clear();
  if (sparse) out.offsets.push_back(0);
  out.weights.clear();
  out.query_ids.clear();
  out.uids.clear();
  out.metadata.clear();
  out.configurations.clear();
  out.tokens.clear();
}

void BatchBuilder::add_dense_row(std::span<const float> values, std::size_t labels) {
  // Room first, then add_row(): what was written without add_row() is overwritten by the next row.
  float* to = values_room(values.size());
  if (!out_.sparse) {
    std::copy(values.begin(), values.end(), to);
    add_row(values.size(), labels);
    return;
  }
  std::int32_t* columns = columns_room(values.size());
  std::size_t kept = 0;
  for (std::size_t d = 0; d < values.size(); ++d) {
    if (values[d] == 0) continue;
    to[kept] = values[d];
    columns[kept++] = static_cast<std::int32_t>(d);
  }
  add_row(kept, labels);
}

void BatchBuilder::become_sparse() {
  if (out_.sparse) return;
  // All rows so far are dense and equally wide.
  out_.width = out_.rows == 0 ? 0 : static_cast<std::int64_t>(used_) / out_.rows;
  out_.values.resize(used_);
  make_sparse(out_);
  used_ = out_.values.size();
}

void BatchBuilder::finish(const RowShape& shape) {
  out_.width = shape.width;
  out_.label_width = used_labels_ == 0 ? 0 : shape.label_width;  // 0 also when labels are ignored
  out_.values.resize(used_);
  out_.columns.resize(out_.sparse ? used_ : 0);
  out_.labels.resize(used_labels_);
  const auto rows = static_cast<std::size_t>(out_.rows);
  // Only columns that some row has set are filled up to all rows.
  if (!out_.weights.empty()) out_.weights.resize(rows, 1);
  if (!out_.query_ids.empty()) out_.query_ids.resize(rows);
  if (!out_.uids.empty()) out_.uids.resize(rows);
  if (!out_.metadata.empty()) out_.metadata.resize(rows);
  if (!out_.configurations.empty()) out_.configurations.resize(rows);
  if (!out_.tokens.empty()) out_.tokens.resize(rows);
}

void BatchBuilder::set_text(std::vector<std::string>& texts, std::string_view text) {
  // Most rows have no text: no vector is made until the first.
  if (text.empty()) return;
  texts.resize(static_cast<std::size_t>(out_.rows));
  texts.back().assign(text);
}

// Stable, so that values of one column are added in the order of the row: the same sum in every run.
std::size_t sort_and_sum(std::size_t count, std::int32_t* columns, float* values) {
  std::vector<std::pair<std::int32_t, float>> row;
  row.reserve(count);
  for (std::size_t i = 0; i < count; ++i) row.emplace_back(columns[i], values[i]);
  std::stable_sort(row.begin(), row.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (const auto& [column, value] : row) {
    if (kept > 0 && columns[kept - 1] == column) {
      values[kept - 1] += value;
    } else {
      columns[kept] = column;
      values[kept++] = value;
    }
  }
  return kept;
}

}  // namespace clary::formats
