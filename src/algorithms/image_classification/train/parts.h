// SPDX-License-Identifier: Apache-2.0
// How a batch whose maps do not fit into memory is cut: gradients of the parts are added up, and one update follows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace clary::image_classification {

/// The most pictures, at most `batch` and at least 2 (1 when batch is), that `budget` bytes are enough for; halved from
/// `batch`, so that parts are of nearly equal size.
/// @param memory_needed  bytes for a number of pictures
/// @return 0 when not even the least number fits
inline std::int64_t pictures_at_once(std::int64_t batch, std::int64_t budget,
                                     const std::function<std::int64_t(std::int64_t)>& memory_needed) {
  const std::int64_t least = std::min<std::int64_t>(batch, 2);
  for (std::int64_t parts = 1;; parts *= 2) {
    const std::int64_t pictures = std::max((batch + parts - 1) / parts, least);
    if (memory_needed(pictures) <= budget) return pictures;
    if (pictures == least) return 0;
  }
}

/// Calls f(first, count) for pieces of [0, pictures) of nearly equal size and at least 2 (a batch norm cannot learn
/// from one picture): at most `at_once` each, or 3 where that is 2.
template <class F>
void each_part(std::int64_t pictures, std::int64_t at_once, F&& f) {
  const std::int64_t parts =
      std::clamp<std::int64_t>((pictures + at_once - 1) / at_once, 1, std::max<std::int64_t>(pictures / 2, 1));
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t from = pictures * part / parts, to = pictures * (part + 1) / parts;
    if (to > from) f(from, to - from);
  }
}

}  // namespace clary::image_classification
