// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/train/early_stopping.h"

#include <algorithm>
#include <cmath>

namespace clary::ntm {

EarlyStopping::Verdict EarlyStopping::add(double loss) {
  Verdict v;
  const auto seen = static_cast<std::int64_t>(history_.size());
  if (seen >= patience_) {
    v.compared = true;
    v.previous.assign(history_.end() - patience_, history_.end());
    v.minimum = *std::min_element(v.previous.begin(), v.previous.end());
    v.difference = std::abs(v.minimum - loss);
    v.bad = seen >= warm_up_ && !(v.minimum - loss >= tolerance_);  // also when the loss is not a number
    bad_count_ = v.bad ? bad_count_ + 1 : 0;
    v.stop = bad_count_ > patience_;
  }
  v.bad_count = bad_count_;
  history_.push_back(loss);
  if (loss < best_loss_) {
    best_loss_ = loss;
    best_epoch_ = seen + 1;
    v.best = true;
  }
  return v;
}

}  // namespace clary::ntm
