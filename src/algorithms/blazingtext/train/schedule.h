// SPDX-License-Identifier: Apache-2.0
// How far the training is, over all threads and hosts, and the learning rate that follows from it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "learning/optim/schedule.h"

namespace clary::blazingtext {

class Schedule {
 public:
  /// @param tokens  of the whole training, all epochs
  /// @param floor   the rate never falls below rate * floor
  Schedule(double rate, double floor, std::int64_t tokens, int hosts = 1)
      : rate_(rate), floor_(floor), tokens_(static_cast<double>(std::max<std::int64_t>(tokens, 1))), hosts_(hosts) {}

  void add(std::int64_t tokens) { done_.fetch_add(tokens, std::memory_order_relaxed); }
  /// Tokens of this host.
  std::int64_t done() const { return done_.load(std::memory_order_relaxed); }
  /// Tokens of all hosts; the others are taken to be as far as this one.
  double done_everywhere() const { return static_cast<double>(done()) * hosts_; }
  double progress() const { return std::min(1.0, done_everywhere() / tokens_); }  // 0 .. 1
  double rate() const { return optim::linear_rate(rate_, floor_, progress()); }
  double last_rate() const { return rate_ * floor_; }

 private:
  double rate_, floor_, tokens_;
  int hosts_;
  std::atomic<std::int64_t> done_{0};
};

}  // namespace clary::blazingtext
