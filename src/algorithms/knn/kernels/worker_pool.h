// SPDX-License-Identifier: Apache-2.0
// A few persistent threads that help one search at a time. Waking a sleeping thread costs about as much as scanning a
// megabyte, so helpers spin briefly after their last unit before they sleep. While one caller has the helpers, others
// run their units alone: a busy server has a request on every core already and must not oversubscribe them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace clary::knn {

class WorkerPool {
 public:
  /// @param threads  threads that work on one call, the caller included; >= 1
  explicit WorkerPool(int threads);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool();

  int threads() const noexcept { return static_cast<int>(helpers_.size()) + 1; }

  /// Calls unit(0) ... unit(units - 1), each once, on the caller and idle helpers; returns when all are done. Any
  /// thread may call. @throws what a unit threw (the first of them); the other units still run
  void run(std::int64_t units, const std::function<void(std::int64_t)>& unit);

 private:
  struct Job {
    const std::function<void(std::int64_t)>* unit = nullptr;
    std::int64_t units = 0;
    std::atomic<std::int64_t> next{0};
    std::mutex failure_mutex;
    std::exception_ptr failure;
  };
  void help();
  static void work(Job& job);

  std::mutex caller_mutex_;  // held by the caller that has the helpers
  Job job_;

  std::mutex mutex_;  // guards open_ and every change of the atomics below
  std::condition_variable wake_;
  std::condition_variable done_;
  bool open_ = false;  // helpers may still join job_; one that wakes too late does not hold it up
  std::atomic<std::uint64_t> generation_{0};  // one more per job
  std::atomic<int> joined_{0};                // helpers at work on job_
  std::atomic<bool> stop_{false};
  std::vector<std::thread> helpers_;
};

}  // namespace clary::knn
