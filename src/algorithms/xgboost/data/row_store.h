// SPDX-License-Identifier: Apache-2.0
// Rows of one channel on their way into the library: blocks as the readers decode them, their labels, weights and
// queries beside them, until the number of columns is known and the matrix is made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/xgboost/library/library.h"
#include "formats/batch.h"
#include "formats/label_rule.h"

namespace clary::xgboost {

/// Which columns of a table are not features. -1: none.
struct ColumnRoles {
  std::int64_t label = 0, weight = -1, group = -1;
  /// Labels (and weights) that the reader itself splits off the front of each row.
  std::int64_t split_by_reader() const noexcept {
    if (label == 0 && group < 0 && (weight == 1 || weight < 0)) return weight == 1 ? 2 : 1;
    return 0;
  }
};

class RowStore {
 public:
  /// @param share, shares  keep the rows (with queries: the query groups) whose number % shares == share
  /// @param labels  what every row's label must be
  RowStore(std::string name, ColumnRoles roles, std::int64_t share = 0, std::int64_t shares = 1,
           std::optional<formats::LabelRule> labels = {})
      : name_(std::move(name)), roles_(roles), share_(share), shares_(shares), label_rule_(std::move(labels)) {}

  /// Takes the batch's memory.
  /// @throws Error{kInvalid} without labels, {kMalformed} for infinite features, labels or weights that are no numbers
  void add(formats::Batch& batch);

  std::int64_t rows() const noexcept { return rows_; }
  /// Largest column + 1 so far.
  std::int64_t width() const noexcept { return width_; }

  /// Ends the store. @param width  columns of the matrix, >= width()
  Matrix make_matrix(std::int64_t width, int threads);

 private:
  void split_roles(formats::Batch& batch);
  void take_share(formats::Batch& batch);
  bool check(const formats::Batch& batch) const;
  std::vector<std::int64_t> offsets() const;
  Matrix streamed(std::int64_t width);
  Matrix converted(std::int64_t width, int threads);
  void set_row_fields(Matrix& matrix);

  std::string name_;
  ColumnRoles roles_;
  std::int64_t share_, shares_;
  std::optional<formats::LabelRule> label_rule_;
  std::int64_t rows_ = 0, seen_ = 0, width_ = 0;
  struct Stored {
    formats::Batch batch;
    bool complete;  // no number is missing
  };
  std::vector<Stored> blocks_;
  std::vector<float> labels_, weights_;
  std::vector<std::int64_t> queries_;
  std::int64_t last_query_ = -1, query_number_ = -1;
};

}  // namespace clary::xgboost
