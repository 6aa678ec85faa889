// SPDX-License-Identifier: Apache-2.0
// A mutex, its lock and its condition variable under names that Clang's thread-safety analysis knows. Declare the mutex
// above what it guards and mark each guarded member with GUARDED_BY; a function that expects its caller to hold the
// lock says REQUIRES. A build with Clang (-Wthread-safety in cmake/flags.cmake) then refuses any access without the
// lock; for other compilers the marks are empty and the classes are what std:: has.
//
//   Mutex mutex_;
//   std::deque<Task> tasks_ GUARDED_BY(mutex_);
//
//   MutexLock lock(mutex_);
//   ready_.wait(lock, [this]() REQUIRES(mutex_) { return !tasks_.empty(); });
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#ifdef __clang__
#define CLARY_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define CLARY_THREAD_ANNOTATION(x)
#endif

#define GUARDED_BY(mutex) CLARY_THREAD_ANNOTATION(guarded_by(mutex))             // the member itself
#define PT_GUARDED_BY(mutex) CLARY_THREAD_ANNOTATION(pt_guarded_by(mutex))       // what the pointer member points to
#define REQUIRES(...) CLARY_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))  // the caller holds the lock
#define EXCLUDES(...) CLARY_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))  // the caller does not: it is taken inside

namespace clary {

class CLARY_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() CLARY_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() CLARY_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  bool try_lock() CLARY_THREAD_ANNOTATION(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

/// Holds a mutex until the end of the scope; may give it back and take it again in between.
class CLARY_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) CLARY_THREAD_ANNOTATION(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  /// Takes over a mutex that the caller has locked, with try_lock() as a rule.
  MutexLock(Mutex& mutex, std::adopt_lock_t adopt) REQUIRES(mutex) : lock_(mutex.mutex_, adopt) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() CLARY_THREAD_ANNOTATION(release_capability()) = default;
  void lock() CLARY_THREAD_ANNOTATION(acquire_capability()) { lock_.lock(); }
  void unlock() CLARY_THREAD_ANNOTATION(release_capability()) { lock_.unlock(); }

 private:
  friend class Condition;
  std::unique_lock<std::mutex> lock_;
};

/// A condition variable. The predicates run with the lock held, which the analysis cannot see from inside the waiting
/// functions: it is switched off there, and a predicate that reads guarded members says REQUIRES itself.
class Condition {
 public:
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

  template <class Predicate>
  void wait(MutexLock& lock, Predicate done) CLARY_THREAD_ANNOTATION(no_thread_safety_analysis) {
    condition_.wait(lock.lock_, std::move(done));
  }
  /// Both return what the predicate says at the end: false when the time ran out.
  template <class Rep, class Period, class Predicate>
  bool wait_for(MutexLock& lock, std::chrono::duration<Rep, Period> limit, Predicate done)
      CLARY_THREAD_ANNOTATION(no_thread_safety_analysis) {
    return condition_.wait_for(lock.lock_, limit, std::move(done));
  }
  template <class Clock, class Duration, class Predicate>
  bool wait_until(MutexLock& lock, std::chrono::time_point<Clock, Duration> deadline, Predicate done)
      CLARY_THREAD_ANNOTATION(no_thread_safety_analysis) {
    return condition_.wait_until(lock.lock_, deadline, std::move(done));
  }

 private:
  std::condition_variable condition_;
};

}  // namespace clary
