// SPDX-License-Identifier: Apache-2.0
// Counters of one variant of one endpoint, added to by every I/O thread without a lock. Latencies are microseconds, as
// CloudWatch's ModelLatency and OverheadLatency.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <utility>

namespace clary::serving {

class LatencyCounter {
 public:
  void add(std::uint64_t us) noexcept {
    sum_.fetch_add(us, std::memory_order_relaxed);
    for (std::uint64_t seen = max_.load(std::memory_order_relaxed);
         us > seen && !max_.compare_exchange_weak(seen, us, std::memory_order_relaxed);) {
    }
    for (std::uint64_t seen = min_.load(std::memory_order_relaxed);
         us < seen && !min_.compare_exchange_weak(seen, us, std::memory_order_relaxed);) {
    }
  }
  std::uint64_t sum() const noexcept { return sum_.load(std::memory_order_relaxed); }
  /// Smallest and largest since the last call.
  std::pair<std::uint64_t, std::uint64_t> take_range() noexcept {
    const std::uint64_t low = min_.exchange(std::numeric_limits<std::uint64_t>::max(), std::memory_order_relaxed);
    const std::uint64_t high = max_.exchange(0, std::memory_order_relaxed);
    return {low > high ? high : low, high};
  }

 private:
  std::atomic<std::uint64_t> sum_ = 0, max_ = 0, min_ = std::numeric_limits<std::uint64_t>::max();
};

/// The counters at one moment.
struct VariantTotals {
  std::uint64_t invocations = 0, errors_4xx = 0, errors_5xx = 0, model_us = 0, overhead_us = 0;
};

struct VariantMetrics {
  std::atomic<std::uint64_t> invocations = 0, errors_4xx = 0, errors_5xx = 0;
  LatencyCounter model_latency, overhead_latency;
  VariantTotals flushed;  // what the metric store has already; serving loop only

  void record(int status, std::uint64_t model_us, std::uint64_t overhead_us) noexcept {
    invocations.fetch_add(1, std::memory_order_relaxed);
    if (status >= 400) (status < 500 ? errors_4xx : errors_5xx).fetch_add(1, std::memory_order_relaxed);
    model_latency.add(model_us);
    overhead_latency.add(overhead_us);
  }
};

}  // namespace clary::serving
