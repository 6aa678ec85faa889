// SPDX-License-Identifier: Apache-2.0
#include "learning/numeric/team.h"

#include <sched.h>

#include <chrono>

namespace clary::numeric {
namespace {

/// Phases are tens of microseconds long, so a waiter spins about as long; then it yields to whoever else wants the CPU,
/// and only after some milliseconds sleeps.
constexpr int kSpins = 4000;
constexpr std::chrono::milliseconds kYielding{5};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <class T>
void wait_while_equal(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  const auto end = std::chrono::steady_clock::now() + kYielding;
  do {
    if (value.load(std::memory_order_acquire) != old) return;
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

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

Team::Team(int threads, int rank, int teams)
    : size_(threads < 1 ? 1 : threads), errors_(static_cast<std::size_t>(size_)) {
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

Team::~Team() {
  if (!callers_cpus_.empty()) stay_on(callers_cpus_);
  ends_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void Team::call_one(int thread) noexcept {
  try {
    call_(argument_, thread);
  } catch (...) {
    errors_[static_cast<std::size_t>(thread)] = std::current_exception();
  }
}

void Team::work(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    wait_while_equal(generation_, seen);
    ++seen;
    if (ends_.load(std::memory_order_relaxed)) return;
    call_one(thread);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

void Team::run_erased(Call call, void* argument) {
  call_ = call;
  argument_ = argument;
  if (size_ > 1) {
    running_.store(size_ - 1, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
  }
  call_one(0);
  for (int left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    wait_while_equal(running_, left);
  }
  for (std::exception_ptr& error : errors_) {
    if (error) {
      const std::exception_ptr first = std::exchange(error, nullptr);
      for (std::exception_ptr& other : errors_) other = nullptr;
      std::rethrow_exception(first);
    }
  }
}

}  // namespace clary::numeric
