// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/shuffle.h"

#include <utility>

#include "base/split_mix.h"

namespace clary::agent {

// Fisher-Yates (Durstenfeld's form) from a SplitMix64 stream: the same on every host and in every version, which
// std::shuffle with std::uniform_int_distribution does not promise. next() % i is biased by at most i / 2^64.
void shuffle_numbers(std::vector<std::size_t>& numbers, std::int64_t seed, std::uint64_t epoch) {
  SplitMix64 random(static_cast<std::uint64_t>(seed) + epoch);
  for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[random.next() % i]);
}

}  // namespace clary::agent
