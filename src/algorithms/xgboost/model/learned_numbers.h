// SPDX-License-Identifier: Apache-2.0
// The numbers that boosting learned, out of the library's own model bytes: its C API has no other way to them.
#pragma once

#include <string>

#include "algorithms/xgboost/library/library.h"
#include "learning/shell/finite_check.h"

namespace clary::xgboost {

/// Passes the leaves of every tree, the weights of a linear booster and dart's tree weights to `check`. Thresholds are
/// not among them: those of categorical splits are NaN by design.
/// @param prefix  put before the arrays' names
/// @throws what check.array() throws
void check_finite(const Booster& booster, const std::string& prefix, const shell::FiniteCheck& check);

}  // namespace clary::xgboost
