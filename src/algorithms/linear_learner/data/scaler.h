// SPDX-License-Identifier: Apache-2.0
// Step 1 of the method: mean and standard deviation of features and label over the first rows, training on
// x' = (x - shift) / scale, y' = (y - shift_y) / scale_y (model/weights.h undoes it). Sparse rows are only divided;
// their shift goes through the bias, feature by feature and only where it matters (see shifted()).
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/linear_learner/hyperparameters.h"
#include "formats/batch.h"
#include "learning/collective/collective.h"
#include "learning/numeric/index.h"

namespace clary::linear_learner {

/// Sums over rows in double. Dense rows are taken about the first one, so that large offsets do not cancel; all batches
/// are of one layout.
class ScalerSums {
 public:
  ScalerSums(std::int64_t features, bool with_label)
      : with_label_(with_label),
        pivot_(numeric::at(features)),
        sums_(numeric::at(features)),
        squares_(numeric::at(features)),
        stored_(numeric::at(features)) {}

  /// Rows [0, count) of the batch.
  void add(const formats::Batch& batch, std::int64_t count);
  /// Every host's rows together; all hosts call it.
  void combine(collective::Collective& hosts);

  std::int64_t features() const { return static_cast<std::int64_t>(sums_.size()); }
  std::int64_t rows() const { return rows_; }
  std::int64_t numbers() const { return numbers_; }  // that are not zero or were stored in sparse rows
  double mean(std::int64_t feature) const;
  /// Population standard deviation.
  double deviation(std::int64_t feature) const;
  /// Root mean square of the numbers that sparse rows store of it; 0 without any.
  double stored_size(std::int64_t feature) const;
  double label_mean() const;
  double label_deviation() const;

 private:
  bool with_label_, has_pivot_ = false;
  std::int64_t rows_ = 0, numbers_ = 0;
  std::vector<double> pivot_, sums_, squares_;
  std::vector<std::int64_t> stored_;
  double label_pivot_ = 0, label_sum_ = 0, label_square_ = 0;
};

struct Scaler {
  // [D]. `mean` and `deviation` are what was measured (and is logged); shift and scale are what is applied.
  std::vector<float> mean, deviation;
  std::vector<double> shift, scale;
  double label_mean = 0, label_deviation = 0;
  double label_shift = 0, label_scale = 1;

  std::int64_t features() const { return static_cast<std::int64_t>(scale.size()); }

  /// @param sparse  rows are sparse: columns are shifted only where |mean| / deviation is above kShiftFrom, unless
  ///                `unbias_data` was given: with an unpenalised bias the best model is the same, and columns that are
  ///                almost always zero keep their sparse gradient. Columns without shift are divided by the root mean
  ///                square of what they store instead of the deviation over all rows: that of a rare column is so small
  ///                that its few numbers would become huge, and each step on them would overshoot.
  static Scaler of(const ScalerSums& sums, const Hyperparameters& hp, bool sparse);

  /// Columns with a shift, ascending.
  std::vector<std::int32_t> shifted() const;
};

/// Rare in practice below it: a column of zeros and ones is at it with one row in 10 set.
inline constexpr double kShiftFrom = 1.0 / 3;

}  // namespace clary::linear_learner
