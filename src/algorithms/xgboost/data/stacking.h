// SPDX-License-Identifier: Apache-2.0
// New matrices from loaded ones: rows below rows, or more columns.
#pragma once

#include <cstdint>
#include <span>

#include "algorithms/xgboost/library/library.h"

namespace clary::xgboost {

/// The rows of all parts, in order, with their labels, weights, query groups and feature names.
/// @param columns  at least as many as the widest part has; the added ones are missing everywhere
Matrix stacked(std::span<const Matrix* const> parts, std::int64_t columns, int threads);

}  // namespace clary::xgboost
