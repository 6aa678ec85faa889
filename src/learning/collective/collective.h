// SPDX-License-Identifier: Apache-2.0
// What the hosts of one job do together. Every host must make the same calls in the same order. One host: all are
// no-ops. Several: gloo over TCP, found through the host names of resourceconfig.json (see rendezvous.h). Not
// thread-safe: one thread of a host calls. A peer that is lost or late raises Error{kUnavailable} naming it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clary::collective {

/// Who takes part: names sorted as in resourceconfig.json; rank = place of `current` in it (algo-1 is 0).
struct Hosts {
  std::vector<std::string> names{"algo-1"};
  std::string current = "algo-1";
  std::string network_interface = "lo";

  int size() const noexcept { return static_cast<int>(names.size()); }
  int rank() const noexcept;
  bool is_first() const noexcept { return rank() == 0; }
};

class Collective {
 public:
  virtual ~Collective() = default;
  virtual int rank() const noexcept = 0;
  virtual int size() const noexcept = 0;

  /// In place; every host gets the same bytes.
  virtual void all_reduce_sum(std::span<float> values) = 0;
  virtual void all_reduce_sum(std::span<double> values) = 0;
  virtual void all_reduce_sum(std::span<std::int64_t> values) = 0;
  virtual void all_reduce_max(std::span<double> values) = 0;

  /// `bytes` of host `root` to all; sizes must agree.
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  /// Text of host `root` to all, of any size.
  std::string broadcast_text(std::string_view text, int root);

  /// One blob per host, in rank order, at `root`; empty elsewhere. Sizes may differ.
  virtual std::vector<std::string> gather(std::string_view blob, int root) = 0;

  virtual void barrier() = 0;
};

struct ConnectOptions {
  std::chrono::milliseconds connect_timeout{300'000};  // until all hosts are there; names may resolve late
  std::chrono::milliseconds timeout{1'800'000};        // of one operation: hosts may have unequal shares of the data
  std::uint16_t port = 7777;                           // of the rendezvous on the first host
  bool shared_memory = true;                           // all-reduce through memory where all hosts are on one machine
};

/// The collective of one host.
std::unique_ptr<Collective> alone();

/// Meets the other hosts. One host: alone().
std::unique_ptr<Collective> connect(const Hosts& hosts, const ConnectOptions& options = {});

}  // namespace clary::collective
