// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/backend.h"

namespace clary::serving {

bool BackendSet::enter() noexcept {
  // Counted before `closed_` is read: after close(), inside() == 0 means that no request is or will be inside.
  inside_.fetch_add(1);
  if (!closed_.load()) return true;
  inside_.fetch_sub(1);
  return false;
}

std::shared_ptr<Backend> BackendSet::pick(const Backend* other_than) {
  const std::shared_ptr<const List> list = list_.load();
  const std::shared_ptr<Backend>* best = nullptr;
  int fewest = 0;
  // One pass over an immutable list, no lock: two threads may read the same counts and pick the same process. That
  // costs a little balance and never correctness; a program with one worker queues the second request itself.
  for (const auto& backend : *list) {
    if (!backend->ready()) continue;
    // The penalty exceeds any real number of requests, so `other_than` is chosen only when it is the sole ready
    // process.
    const int busy = backend->in_flight() + (backend.get() == other_than ? 1 << 20 : 0);
    if (best != nullptr && busy >= fewest) continue;
    best = &backend;
    fewest = busy;
  }
  if (best == nullptr) return nullptr;
  (*best)->enter();
  return *best;
}

}  // namespace clary::serving
