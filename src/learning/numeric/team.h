// SPDX-License-Identifier: Apache-2.0
// A fixed group of threads for work that takes microseconds. run() divides by thread number alone, so a result depends
// on the number of threads but never on timing; run_units() gives the next unit to the next free thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace clary::numeric {

class Team {
 public:
  /// For a training, which has the machine to itself: threads that wait stay awake for some milliseconds.
  /// @param threads  >= 1; the calling thread is number 0
  /// @param rank, teams  this is team number `rank` of `teams` equal ones (hosts of one job, maybe on one machine).
  ///                     When they have as many threads as there are CPUs, each thread is bound to one.
  explicit Team(int threads, int rank = 0, int teams = 1);
  /// For a server, whose other threads want the CPUs: nothing is bound, and threads that wait soon sleep.
  struct Shared {};
  Team(int threads, Shared);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  int size() const noexcept { return size_; }

  /// Calls f(0) .. f(size() - 1), each on its own thread, and returns when all have returned. The first exception (by
  /// thread number) is rethrown here. One thread at a time may call this.
  template <class F>
  void run(F&& f) {
    run_erased(pointer_to<F>(), &f);
  }

  /// Calls f(0) .. f(units - 1), each once, on the caller and the threads that come in time; returns when all are done,
  /// without waiting for a thread that wakes too late. Any thread may call this at any time: while one caller has the
  /// team, the others do their units alone, because then there is work for every CPU already.
  /// @throws what a unit threw (the first of them); the other units still run
  template <class F>
  void run_units(std::int64_t units, F&& f) {
    run_units_erased(units, pointer_to<F, std::int64_t>(), &f);
  }

 private:
  template <class Argument>
  using Call = void (*)(void*, Argument);
  template <class F, class Argument = int>
  static Call<Argument> pointer_to() {
    return [](void* f, Argument argument) { (*static_cast<std::remove_reference_t<F>*>(f))(argument); };
  }

  void run_erased(Call<int> call, void* argument);
  void run_units_erased(std::int64_t units, Call<std::int64_t> call, void* argument);
  void publish(Call<int> call, void* argument);
  void wait_for(int threads);
  void work(int thread);
  bool join(std::uint32_t generation);
  void call_one(int thread) noexcept;

  const int size_;
  const std::chrono::milliseconds awake_;
  std::atomic<bool> taken_{false};  // by a run(), or by the caller of run_units() that has the team
  Call<int> call_ = nullptr;
  void* argument_ = nullptr;
  std::vector<std::exception_ptr> errors_;    // of run(), by thread
  std::atomic<std::uint32_t> generation_{0};  // one more per call that wants the threads
  std::atomic<std::uint64_t> gate_{0};        // generation << 32 | kClosed when no more may join | threads that joined
  std::atomic<int> finished_{0};              // of those that joined
  std::atomic<bool> ends_{false};
  std::vector<int> callers_cpus_;  // to be given back at the end; empty: it was not bound
  std::vector<std::thread> threads_;
};

/// Part `part` of [0, n) cut into `parts` nearly equal pieces whose borders are multiples of `unit`.
inline std::pair<std::int64_t, std::int64_t> share(std::int64_t n, int part, int parts, std::int64_t unit = 1) {
  const std::int64_t units = (n + unit - 1) / unit;
  const auto border = [&](std::int64_t i) {
    const std::int64_t at = units * i / parts * unit;
    return at < n ? at : n;
  };
  return {border(part), border(part + 1)};
}

}  // namespace clary::numeric
