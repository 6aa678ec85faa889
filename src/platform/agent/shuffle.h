// SPDX-License-Identifier: Apache-2.0
// ShuffleConfig: the order of a channel's objects, or of a manifest's lines, in each epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace clary::agent {

/// The same numbers in the order of epoch `epoch` of a ShuffleConfig.Seed: a Fisher-Yates shuffle of our own generator.
void shuffle_numbers(std::vector<std::size_t>& numbers, std::int64_t seed, std::uint64_t epoch);

}  // namespace clary::agent
