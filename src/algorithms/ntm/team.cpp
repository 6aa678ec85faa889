// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/team.h"

namespace clary::ntm {
namespace {

/// Phases are tens of microseconds long, so a waiter spins about as long before it sleeps on the futex.
constexpr int kSpins = 4000;

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
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

Team::Team(int threads) : size_(threads < 1 ? 1 : threads), errors_(static_cast<std::size_t>(size_)) {
  for (int t = 1; t < size_; ++t) threads_.emplace_back([this, t] { work(t); });
}

Team::~Team() {
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
  for (int left = running_.load(std::memory_order_acquire); left != 0; left = running_.load(std::memory_order_acquire)) {
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

}  // namespace clary::ntm
