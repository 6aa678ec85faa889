// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/best_weights.h"

#include <cstring>

namespace clary::blazingtext {

// By all threads: one thread does not use the memory's whole bandwidth.
void BestWeights::copy(float* to, const float* from, std::size_t size) {
  team_.run([&](int thread) {
    const auto [begin, end] = numeric::share(static_cast<std::int64_t>(size), thread, team_.size(), 1024);
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
  });
}

void BestWeights::keep() {
  kept_.resize(matrices_.size());
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    const TrainingMatrix& matrix = *matrices_[i];
    kept_[i].resize(static_cast<std::size_t>(matrix.rows * matrix.stride));
    copy(kept_[i].data(), matrix.values.data(), kept_[i].size());
  }
}

void BestWeights::restore() {
  for (std::size_t i = 0; i < kept_.size(); ++i) copy(matrices_[i]->values.data(), kept_[i].data(), kept_[i].size());
}

}  // namespace clary::blazingtext
