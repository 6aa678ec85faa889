// SPDX-License-Identifier: Apache-2.0
// Loaded boosters as one function from rows to numbers: in place and without OpenMP where the library can (trees),
// otherwise through a Matrix, one request at a time. N rows, K numbers a row.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "algorithms/xgboost/library/library.h"
#include "formats/batch.h"

namespace clary::xgboost {

/// [N, K] numbers, row-major.
struct Scores {
  std::int64_t rows = 0, width = 1;
  bool lists = false;  // each row is a list, also when it holds one number
  std::vector<float> values;

  std::span<const float> row(std::int64_t r) const noexcept {
    return {values.data() + r * width, static_cast<std::size_t>(width)};
  }
};

class Predictor {
 public:
  /// @param boosters  outlive this; their nthread becomes 1
  /// @param ensemble  false: only the first counts
  Predictor(std::span<Booster> boosters, bool ensemble);

  /// Values of the objective's scale. Several boosters: their mean, or the most frequent class. Thread-safe.
  /// @param rows  as widened by fit_width
  Scores predict(const formats::Batch& rows) const;
  /// Per feature what it adds to the margin, and the bias last: [N, (D + 1) * groups]. Of the first booster.
  /// Thread-safe.
  Scores contributions(const formats::Batch& rows) const { return slow(rows, PredictType::kContributions); }
  /// The leaf of each tree: [N, trees]. Of the first booster. Thread-safe.
  Scores leaves(const formats::Batch& rows) const { return slow(rows, PredictType::kLeaf); }

  const std::string& objective() const noexcept { return objective_; }
  std::int64_t num_class() const noexcept { return num_class_; }
  std::int64_t num_features() const noexcept { return num_features_; }

 private:
  struct Member {
    const Booster* booster;
    bool in_place;
    int iteration_end;                // 0: all
    std::vector<float> base_margins;  // one a group where base_score differs by group; else empty
  };
  Scores one(const Member& member, const formats::Batch& rows) const;
  Scores slow(const formats::Batch& rows, PredictType type) const;
  Scores through_matrix(const Member& member, const formats::Batch& rows, PredictType type) const;

  std::vector<Member> members_;
  std::string objective_;
  std::int64_t num_class_ = 0, num_features_ = 0;
  mutable std::mutex mutex_;  // the library's matrix prediction keeps caches in the booster
};

}  // namespace clary::xgboost
