// SPDX-License-Identifier: Apache-2.0
// Work in units on a few threads. Internal to corpus.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace clary::corpus {

/// Calls work(unit, thread) for the units 0 .. units - 1, each taken by the next free thread (0 .. threads - 1), and
/// returns when all are done. The first exception ends it: units that no thread has taken are left out.
template <class Work>
void for_each_unit(std::size_t units, int threads, Work&& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // guards error
  std::exception_ptr error;
  const auto run = [&](int thread) {
    try {
      for (std::size_t unit = next++; unit < units; unit = next++) work(unit, thread);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = units;
    }
  };
  std::vector<std::jthread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
  run(0);
  others.clear();  // joins
  if (error) std::rethrow_exception(error);
}

}  // namespace clary::corpus
