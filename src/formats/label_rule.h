// SPDX-License-Identifier: Apache-2.0
// What labels a channel may hold; checked where they are read, so that an error names file, line and column.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>

namespace clary::formats {

/// Every row has exactly one label, and it is a number of [low, high].
struct LabelRule {
  float low = -std::numeric_limits<float>::infinity(), high = std::numeric_limits<float>::infinity();
  bool whole = false;  // an integer
  std::string words;   // "0 or 1, as predictor_type binary_classifier needs"

  bool allows(float label) const noexcept {
    return label >= low && label <= high && (!whole || label == std::trunc(label));
  }
  /// "label 2 is not 0 or 1, ..."
  std::string problem(float label) const { return fmt::format("label {} is not {}", label, words); }
};

}  // namespace clary::formats
