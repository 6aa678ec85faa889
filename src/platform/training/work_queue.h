// SPDX-License-Identifier: Apache-2.0
// A few threads for work that takes long (packing, uploading), so that the scheduler's own thread never waits.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace clary::training {

class WorkQueue {
 public:
  explicit WorkQueue(int threads);
  /// Waits for the work that has begun; drops the rest (recovery finds it again).
  ~WorkQueue();
  /// Tasks must not throw.
  void submit(std::function<void()> task);

 private:
  void run();

  Mutex mutex_;
  Condition changed_;  // of what mutex_ guards
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace clary::training
