// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/shuffle.h"

#include <utility>

namespace clary::agent {

namespace {

/// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

}  // namespace

void shuffle_numbers(std::vector<std::size_t>& numbers, std::int64_t seed, std::uint64_t epoch) {
  std::uint64_t state = static_cast<std::uint64_t>(seed) + epoch;
  for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[next_random(state) % i]);
}

}  // namespace clary::agent
