// SPDX-License-Identifier: Apache-2.0
#include "learning/numeric/team.h"

#include <sched.h>

#include <chrono>

#include "base/mutex.h"

namespace clary::numeric {
namespace {

/// Phases are tens of microseconds long, so a waiter spins about as long (and as a sleeping thread needs to come back);
/// then it yields to other threads that want the CPU, and only after a while sleeps.
constexpr int kSpins = 4000;
constexpr std::chrono::milliseconds kAwakeInTraining{5};

// gate_ is one word: the upper half is the generation, the lower half counts the threads that joined it, with one bit
// for "closed". A thread joins by compare-and-swap on all of it, so that it cannot join a generation that is over.
constexpr std::uint64_t kClosed = std::uint64_t{1} << 31;
constexpr std::uint64_t kJoined = kClosed - 1;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <class T>
// Three stages: spin with the pause instruction, yield, sleep on the futex behind std::atomic::wait.
void wait_while_equal(const std::atomic<T>& value, T old, std::chrono::milliseconds awake) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  const auto end = std::chrono::steady_clock::now() + awake;
  while (std::chrono::steady_clock::now() < end) {
    if (value.load(std::memory_order_acquire) != old) return;
    std::this_thread::yield();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

/// A mutex would not do: a unit may call run_units() on the thread that has the team.
/// Released by whatever path the call is left, exceptions included.
struct GiveBack {
  std::atomic<bool>& taken;
  ~GiveBack() {
    taken.store(false, std::memory_order_release);
    taken.notify_one();
  }
};

/// The CPUs that this thread may use.
std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

void stay_on(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

Team::Team(int threads, Shared)
    : size_(threads < 1 ? 1 : threads), awake_(0), errors_(static_cast<std::size_t>(size_)) {
  for (int t = 1; t < size_; ++t) threads_.emplace_back([this, t] { work(t); });
}

Team::Team(int threads, int rank, int teams)
    : size_(threads < 1 ? 1 : threads), awake_(kAwakeInTraining), errors_(static_cast<std::size_t>(size_)) {
  // Teams that together are as large as the machine put one thread on each CPU: left to itself the kernel wakes a
  // waiter on its waker's CPU and often leaves both there, which made an epoch three times as long.
  std::vector<int> cpus = allowed_cpus();
  const bool whole_machine = cpus.size() > 1 && static_cast<std::size_t>(size_ * teams) == cpus.size();
  const auto first = static_cast<std::size_t>(rank * size_);
  for (int t = 1; t < size_; ++t) {
    threads_.emplace_back([this, t, cpu = whole_machine ? cpus[first + static_cast<std::size_t>(t)] : -1] {
      if (cpu >= 0) stay_on({cpu});
      work(t);
    });
  }
  if (whole_machine) {
    stay_on({cpus[first]});
    callers_cpus_ = std::move(cpus);
  }
}

// The threads see ends_ because the release of generation_ orders it before their acquire.
Team::~Team() {
  if (!callers_cpus_.empty()) stay_on(callers_cpus_);
  ends_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& t : threads_) t.join();
}

// Errors are kept by thread and rethrown by the caller: an exception must not leave a thread's function.
void Team::call_one(int thread) noexcept {
  try {
    call_(argument_, thread);
  } catch (...) {
    errors_[static_cast<std::size_t>(thread)] = std::current_exception();
  }
}

void Team::work(int thread) {
  for (std::uint32_t seen = 0;;) {
    wait_while_equal(generation_, seen, awake_);
    seen = generation_.load(std::memory_order_acquire);
    if (ends_.load(std::memory_order_relaxed)) return;
    if (!join(seen)) continue;
    call_one(thread);
    finished_.fetch_add(1, std::memory_order_acq_rel);
    finished_.notify_one();
  }
}

/// call_ and argument_ may be read from here until finished_ counts this thread: the caller of that generation waits
/// for all that joined. A thread that comes after a run_units() is over finds the gate closed, or of a later
/// generation.
bool Team::join(std::uint32_t generation) {
  std::uint64_t gate = gate_.load(std::memory_order_acquire);
  while (gate >> 32 == generation && (gate & kClosed) == 0)
    if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel, std::memory_order_acquire)) return true;
  return false;
}

/// Opens the gate before it publishes the new generation. No thread is at work: the call before waited for all that
/// joined.
void Team::publish(Call<int> call, void* argument) {
  call_ = call;
  argument_ = argument;
  finished_.store(0, std::memory_order_relaxed);
  const std::uint32_t next = generation_.load(std::memory_order_relaxed) + 1;
  gate_.store(std::uint64_t{next} << 32, std::memory_order_release);
  generation_.store(next, std::memory_order_release);
  generation_.notify_all();
}

void Team::wait_for(int threads) {
  for (int done = finished_.load(std::memory_order_acquire); done != threads;
       done = finished_.load(std::memory_order_acquire))
    wait_while_equal(finished_, done, awake_);
}

// One call at a time: `taken_` is a lock that the waiting caller sleeps on.
void Team::run_erased(Call<int> call, void* argument) {
  while (taken_.exchange(true, std::memory_order_acquire)) taken_.wait(true, std::memory_order_relaxed);
  const GiveBack give_back{taken_};
  if (size_ > 1) {
    publish(call, argument);
  } else {
    call_ = call, argument_ = argument;
  }
  // The caller is thread 0 of its team.
  call_one(0);
  wait_for(size_ > 1 ? size_ - 1 : 0);
  // The first error in the order of threads, so that the same failure is reported in every run.
  for (std::exception_ptr& error : errors_) {
    if (error) {
      const std::exception_ptr first = std::exchange(error, nullptr);
      for (std::exception_ptr& other : errors_) other = nullptr;
      std::rethrow_exception(first);
    }
  }
}

// Threads take units one by one, which balances units of different length. The order of units is not fixed: a unit
// must not depend on another.
void Team::run_units_erased(std::int64_t units, Call<std::int64_t> call, void* argument) {
  std::atomic<std::int64_t> next{0};
  struct {
    Mutex mutex;
    std::exception_ptr first GUARDED_BY(mutex);
  } failure;
  auto some_units = [&](int) {
    for (std::int64_t i = next++; i < units; i = next++) {
      try {
        call(argument, i);
      } catch (...) {
        const MutexLock lock(failure.mutex);
        if (!failure.first) failure.first = std::current_exception();
      }
    }
  };
  // A team that is busy (this is a nested call, or another thread has it) is not waited for: the units run here.
  if (units <= 1 || size_ == 1 || taken_.exchange(true, std::memory_order_acquire)) {
    some_units(0);
  } else {
    const GiveBack give_back{taken_};
    publish(pointer_to<decltype(some_units)>(), &some_units);
    some_units(0);
    // Closes the gate: threads that have not woken up yet do not join any more, and only those that joined are waited
    // for.
    wait_for(static_cast<int>(gate_.fetch_or(kClosed, std::memory_order_acq_rel) & kJoined));
  }
  const MutexLock lock(failure.mutex);
  if (failure.first) std::rethrow_exception(failure.first);
}

}  // namespace clary::numeric
