// SPDX-License-Identifier: Apache-2.0
// One request's work on several threads: a long request is answered sooner, and a short one stays on its own thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <future>
#include <vector>

#include "learning/numeric/threads.h"

namespace clary::blazingtext {

/// How many threads `items` are worth when one takes at least `least_items`.
inline int worthwhile_parts(std::int64_t items, std::int64_t least_items) {
  static const std::int64_t threads = numeric::available_threads();
  return static_cast<int>(std::clamp<std::int64_t>(items / least_items, 1, threads));
}

/// Calls f(0) .. f(parts - 1), side by side, f(0) on this thread. One exception of them is rethrown, after all ended.
template <class F>
void in_parts(int parts, F&& f) {
  std::vector<std::future<void>> others;
  for (int part = 1; part < parts; ++part) others.push_back(std::async(std::launch::async, [&f, part] { f(part); }));
  f(0);  // when it throws, the destructors wait for the others
  for (auto& other : others) other.get();
}

}  // namespace clary::blazingtext
