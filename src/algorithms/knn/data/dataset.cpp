// SPDX-License-Identifier: Apache-2.0
// See dataset.h.
#include "algorithms/knn/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"

namespace clary::knn {
namespace {

/// Index of the first number that is NaN or infinite, or the size. One fast pass finds whether there is any.
std::size_t first_odd(std::span<const float> values) {
  float sum = 0;
  for (const float value : values) sum += value * 0.0F;  // NaN for both
  if (sum == 0.0F) return values.size();
  const auto odd = std::find_if_not(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  return static_cast<std::size_t>(odd - values.begin());
}

}  // namespace

Vectors dense_vectors(const formats::Batch& rows) {
  Vectors out(rows.rows, rows.width);
  const std::size_t odd = first_odd(rows.values);
  if (odd != rows.values.size()) {
    const std::string where = rows.sparse
                                  ? fmt::format("value {}", odd)
                                  : fmt::format("row {}, feature {}", odd / static_cast<std::size_t>(rows.width),
                                                odd % static_cast<std::size_t>(rows.width));
    throw Error(Kind::kMalformed, fmt::format("{} is {}, must be finite", where, rows.values[odd]));
  }
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    if (!rows.sparse) {
      out.set_row(r, rows.row(r));
      continue;
    }
    const auto columns = rows.row_columns(r);
    const auto values = rows.row_values(r);
    // Columns are in range and added up by the decoder.
    for (std::size_t i = 0; i < columns.size(); ++i) out.row(r)[columns[i]] = values[i];
  }
  return out;
}

void require_labelled_rows(formats::Batch& rows, std::string_view channel, std::int64_t first_row) {
  if (rows.label_width != 1) {
    throw Error(Kind::kMalformed,
                fmt::format("{} channel: rows have {} labels, k-NN needs exactly one per row (CSV: label_size=1)",
                            channel, rows.label_width));
  }
  formats::make_dense(rows);
  const std::size_t odd = first_odd(rows.values);
  if (odd != rows.values.size()) {
    const auto width = static_cast<std::size_t>(rows.width);
    throw Error(Kind::kMalformed,
                fmt::format("{} channel: row {}, feature {} is {}, must be finite", channel,
                            first_row + static_cast<std::int64_t>(odd / width) + 1, odd % width + 1, rows.values[odd]));
  }
  const std::size_t label = first_odd(rows.labels);
  if (label != rows.labels.size()) {
    throw Error(Kind::kMalformed, fmt::format("{} channel: row {}: label is {}, must be finite", channel,
                                              first_row + static_cast<std::int64_t>(label) + 1, rows.labels[label]));
  }
}

bool has_inexact_labels(const formats::Batch& rows) {
  return std::any_of(rows.labels.begin(), rows.labels.end(),
                     [](float label) { return std::abs(label) >= kLargestExactLabel; });
}

}  // namespace clary::knn
