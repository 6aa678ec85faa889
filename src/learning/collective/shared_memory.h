// SPDX-License-Identifier: Apache-2.0
// All-reduce for hosts of one job that share one machine: through a memory file instead of loopback TCP, at a
// fraction of the latency. Every host adds the contributions in rank order, so all
// get the same bytes. One thread of a host calls at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "learning/collective/collective.h"
#include "learning/collective/rendezvous.h"

namespace clary::collective {

struct Max {
  double operator()(double a, double b) const noexcept { return a < b ? b : a; }
};

class SharedMemory {
 public:
  /// Null on every host unless all of them are on one machine and in one network namespace, and few.
  /// @throws Error{kUnavailable} when a host is lost meanwhile
  static std::unique_ptr<SharedMemory> meet(const Hosts& hosts, RendezvousClient& client,
                                            std::chrono::steady_clock::time_point deadline);
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();

  /// @param check  called now and then while waiting; throws when a peer is lost or the time is over
  template <class T, class Op>
  void all_reduce(std::span<T> values, Op op, const std::function<void()>& check);
  void barrier(const std::function<void()>& check);

 private:
  struct Header;
  SharedMemory(int rank, int size, std::byte* memory) : rank_(rank), size_(size), memory_(memory) {}

  Header& header() const noexcept;
  std::byte* slot(int rank, unsigned parity) const noexcept;

  int rank_, size_;
  std::byte* memory_;
  unsigned parity_ = 0;  // slots are used in turn, so that one barrier a round is enough
};

}  // namespace clary::collective
