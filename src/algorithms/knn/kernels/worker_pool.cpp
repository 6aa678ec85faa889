// SPDX-License-Identifier: Apache-2.0
// See worker_pool.h.
#include "algorithms/knn/kernels/worker_pool.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace clary::knn {
namespace {

// About the time a sleeping thread needs to come back (measured here: 30 to 60 us).
constexpr std::chrono::microseconds kSpin{50};

/// Spins until ready() or kSpin has passed; true when ready.
template <class Ready>
bool spin(Ready ready) {
  const auto until = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (ready()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  } while (std::chrono::steady_clock::now() < until);
  return ready();
}

}  // namespace

WorkerPool::WorkerPool(int threads) {
  for (int i = 1; i < threads; ++i) helpers_.emplace_back([this] { help(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void WorkerPool::work(Job& job) {
  for (std::int64_t i = job.next++; i < job.units; i = job.next++) {
    try {
      (*job.unit)(i);
    } catch (...) {
      const std::lock_guard lock(job.failure_mutex);
      if (!job.failure) job.failure = std::current_exception();
    }
  }
}

void WorkerPool::help() {
  std::uint64_t seen = 0;
  while (true) {
    const auto called = [&] { return generation_.load() != seen || stop_.load(); };
    if (!spin(called)) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, called);
    }
    if (stop_) return;
    {
      const std::lock_guard lock(mutex_);
      seen = generation_;
      if (!open_) continue;
      ++joined_;
    }
    work(job_);
    const std::lock_guard lock(mutex_);
    if (--joined_ == 0) done_.notify_one();
  }
}

void WorkerPool::run(std::int64_t units, const std::function<void(std::int64_t)>& unit) {
  std::unique_lock mine(caller_mutex_, std::defer_lock);
  if (units <= 1 || helpers_.empty() || !mine.try_lock()) {
    Job alone;
    alone.unit = &unit;
    alone.units = units;
    work(alone);
    if (alone.failure) std::rethrow_exception(alone.failure);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    job_.unit = &unit;
    job_.units = units;
    job_.next = 0;
    open_ = true;
    ++generation_;
  }
  wake_.notify_all();
  work(job_);
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  const auto finished = [this] { return joined_.load() == 0; };
  spin(finished);
  std::unique_lock lock(mutex_);
  done_.wait(lock, finished);
  if (job_.failure) std::rethrow_exception(std::exchange(job_.failure, nullptr));
}

}  // namespace clary::knn
