// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/packed_steps.h"

#include <algorithm>
#include <numeric>

namespace clary::seq2seq {

void PackedSteps::assign(std::span<const std::int32_t> lengths) {
  active_.clear();
  first_row_.assign(1, 0);
  auto active = static_cast<std::int64_t>(lengths.size());
  for (std::int32_t t = 0; t < lengths.front(); ++t) {
    while (lengths[static_cast<std::size_t>(active) - 1] <= t) --active;
    active_.push_back(active);
    first_row_.push_back(first_row_.back() + active);
  }
}

std::pair<std::int64_t, std::int64_t> balanced_share(std::span<const std::int32_t> lengths, int part, int parts) {
  const std::int64_t all = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  // The first sequence before which at least `share` of all steps lie.
  const auto border = [&](int i) {
    const std::int64_t share = all * i / parts;
    std::int64_t before = 0, at = 0;
    for (; before < share; ++at) before += lengths[static_cast<std::size_t>(at)];
    return at;
  };
  return {border(part), border(part + 1)};
}

int time_loop_parts(std::int64_t sequences, int threads) {
  constexpr std::int64_t kFewestRows = 8;
  return static_cast<int>(std::clamp<std::int64_t>(sequences / kFewestRows, 1, threads));
}

}  // namespace clary::seq2seq
