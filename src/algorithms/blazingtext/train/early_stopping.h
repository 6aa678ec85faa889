// SPDX-License-Identifier: Apache-2.0
// When supervised training stops, and the weights that it goes back to.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/blazingtext/train/weights.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

/// From epoch min_epochs on the accuracy is looked at after every epoch; `patience` looks in a row without a new best
/// end the training.
class EarlyStopping {
 public:
  EarlyStopping(std::int64_t min_epochs, std::int64_t patience) : min_epochs_(min_epochs), patience_(patience) {}

  /// @param epoch  from 1
  bool looks_at(std::int64_t epoch) const { return epoch >= min_epochs_; }
  /// Takes note of an accuracy; true for a new best.
  bool improves(double accuracy) {
    const bool better = accuracy > best_;
    bad_epochs_ = better ? 0 : bad_epochs_ + 1;
    if (better) best_ = accuracy;
    return better;
  }
  std::int64_t bad_epochs() const { return bad_epochs_; }
  bool is_over() const { return bad_epochs_ >= patience_; }

 private:
  std::int64_t min_epochs_, patience_;
  double best_ = -1;
  std::int64_t bad_epochs_ = 0;
};

/// A copy of matrices, made by all threads of a team.
class BestWeights {
 public:
  BestWeights(std::vector<TrainingMatrix*> matrices, numeric::Team& team)
      : matrices_(std::move(matrices)), team_(team) {}
  void keep();
  /// Puts back what was kept last; nothing when nothing was.
  void restore();

 private:
  void copy(float* to, const float* from, std::size_t size);

  std::vector<TrainingMatrix*> matrices_;
  numeric::Team& team_;
  std::vector<numeric::UntouchedFloats> kept_;
};

}  // namespace clary::blazingtext
