// SPDX-License-Identifier: Apache-2.0
// Counts and positions are std::int64_t throughout learning and algorithms; containers want std::size_t.
#pragma once

#include <cstddef>
#include <cstdint>

namespace clary::numeric {

/// v[at(i)]; i >= 0.
constexpr std::size_t at(std::int64_t i) noexcept { return static_cast<std::size_t>(i); }

}  // namespace clary::numeric
