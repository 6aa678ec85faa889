// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/shuffle.h"

#include <utility>

#include "base/split_mix.h"

namespace clary::agent {

void shuffle_numbers(std::vector<std::size_t>& numbers, std::int64_t seed, std::uint64_t epoch) {
  SplitMix64 random(static_cast<std::uint64_t>(seed) + epoch);
  for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[random.next() % i]);
}

}  // namespace clary::agent
