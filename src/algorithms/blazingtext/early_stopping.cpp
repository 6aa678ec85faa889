// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/early_stopping.h"

#include <cstring>

namespace clary::blazingtext {

void BestWeights::copy(numeric::Floats& to, const numeric::Floats& from) {
  team_.run([&](int thread) {
    const auto [begin, end] = numeric::share(static_cast<std::int64_t>(from.size()), thread, team_.size(), 1024);
    std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
  });
}

void BestWeights::keep() {
  kept_.resize(matrices_.size());
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    kept_[i].resize(matrices_[i]->values.size());
    copy(kept_[i], matrices_[i]->values);
  }
}

void BestWeights::restore() {
  for (std::size_t i = 0; i < kept_.size(); ++i) copy(matrices_[i]->values, kept_[i]);
}

}  // namespace clary::blazingtext
