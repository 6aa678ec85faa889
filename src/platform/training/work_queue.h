// SPDX-License-Identifier: Apache-2.0
// A few threads for work that takes long (packing, uploading), so that the scheduler's own thread never waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

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

  std::mutex mutex_;
  std::condition_variable moved_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace clary::training
