// SPDX-License-Identifier: Apache-2.0
// k-fold cross validation (`_kfold`, `_num_cv_round`) of the train and validation channels together: one model a fold,
// all of them in the artifact; predictions of the rows that a fold did not train on in predictions.csv. The original
// evaluates each fold on all rows; here each fold is evaluated on its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/xgboost/train/boosting.h"

namespace clary::xgboost {

/// The fold of each row, 0 to k - 1; sizes differ by at most one. Stratified: so do those of each class.
/// @param labels  [N]; empty: not stratified
std::vector<int> folds_of(std::int64_t rows, std::span<const float> labels, int k, std::uint32_t seed);

/// Writes predictions.csv to `context.output_dir()`: label, then mean probability and most frequent class, or the mean
/// prediction, as %f. @param validation  may be null
std::vector<Booster> cross_validate(const Boosting& job, const Matrix& train, const Matrix* validation);

}  // namespace clary::xgboost
