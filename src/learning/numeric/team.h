// SPDX-License-Identifier: Apache-2.0
// A fixed group of threads that run one function each and wait for one another. Work is divided by thread number
// alone, so a result depends on the number of threads but never on timing.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

namespace clary::numeric {

class Team {
 public:
  /// @param threads  >= 1; the calling thread is number 0
  /// @param rank, teams  this is team number `rank` of `teams` equal ones (hosts of one job, maybe on one machine).
  /// When they
  ///                     have as many threads as there are CPUs, each thread is bound to one.
  explicit Team(int threads, int rank = 0, int teams = 1);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  int size() const noexcept { return size_; }

  /// Calls f(0) .. f(size() - 1), each on its own thread, and returns when all have returned. The first exception (by
  /// thread number) is rethrown here. Only the thread that made the team may call this.
  template <class F>
  void run(F&& f) {
    run_erased([](void* p, int thread) { (*static_cast<std::remove_reference_t<F>*>(p))(thread); }, &f);
  }

 private:
  using Call = void (*)(void*, int);
  void run_erased(Call call, void* argument);
  void work(int thread);
  void call_one(int thread) noexcept;

  int size_;
  Call call_ = nullptr;
  void* argument_ = nullptr;
  std::vector<std::exception_ptr> errors_;
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> running_{0};
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
