// SPDX-License-Identifier: Apache-2.0
// Models of the last rounds in the job's checkpoint folder: xgboost-checkpoint.<round>, ordinary model files, the last
// five kept. A file appears whole (it is written under a name that the uploader ignores) and stays while the uploader
// holds it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace clary::xgboost {

inline constexpr int kCheckpointsKept = 5;

class Checkpoints {
 public:
  /// @param dir  empty: nothing is saved or found
  explicit Checkpoints(std::filesystem::path dir);

  struct Found {
    int round = 0;  // zero-based, the last one trained
    std::filesystem::path file;
  };
  /// Newest first.
  std::vector<Found> found() const;
  void save(int round, std::string_view model) const;
  bool enabled() const noexcept { return !dir_.empty(); }

 private:
  std::filesystem::path dir_;
};

}  // namespace clary::xgboost
