// SPDX-License-Identifier: Apache-2.0
// model_algo-1.json: what a served model knows beside index and labels. Users edit it by hand to change k or
// predictor_type, so it is read tolerantly: unknown keys are ignored, missing ones have defaults where one makes sense,
// Python's True, False and None count as JSON's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "algorithms/knn/hyperparameters.h"

namespace clary::knn {

struct ReductionMetadata {
  Reduction type = Reduction::kSign;
  std::uint64_t seed = 1;
  std::int64_t target_dim = 1;
  std::int64_t input_dim = 1;
  bool operator==(const ReductionMetadata&) const = default;
};

struct Metadata {
  std::int64_t k = 1;
  Task predictor_type = Task::kClassifier;
  std::optional<ReductionMetadata> reduction;
  bool normalize = false;
  std::int64_t feature_dim = 0;  // 0: not said
  bool operator==(const Metadata&) const = default;
};

std::string to_json(const Metadata& metadata);

/// @param name  of the file, for messages
/// @throws Error{kMalformed} naming file, key, value and rule
Metadata parse_metadata(std::string_view text, const std::string& name);

}  // namespace clary::knn
