// SPDX-License-Identifier: Apache-2.0
// Pickles of Python's Booster. Writing: protocol 2, which every Python reads. Reading: as data, nothing is called or
// imported (learning/artifact/pickle.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clary::xgboost {

/// What a pickled Booster holds.
struct PickledBooster {
  std::string handle;  // the model's bytes; see model_file.h for their forms
  std::vector<std::string> feature_names, feature_types;
  std::string booster;  // "gbtree"; "" when absent
  std::optional<std::int64_t> best_iteration, best_ntree_limit;
};

/// A pickle's protocol opcode, or the first opcodes of protocol 0.
bool is_pickle(std::string_view bytes);

/// @throws Error{kMalformed} when the bytes are not a pickle of xgboost.core.Booster (or of an estimator around one)
PickledBooster parse_pickle(std::string_view bytes);

std::string write_pickle(const PickledBooster& booster);

}  // namespace clary::xgboost
