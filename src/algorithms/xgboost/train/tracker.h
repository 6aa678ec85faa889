// SPDX-License-Identifier: Apache-2.0
// Introduces the members of the library's collective to each other: its C API has the client of this protocol but no
// tracker. Each member connects, says who it is, gets its rank and its neighbours in a tree and a ring, and connects to
// those that came before it. Runs in a thread of its own, talks to one member at a time. Anyone who can reach the port
// can send anything: every text is bounded, every wait has an end, and what does not follow the protocol is hung up on.
//
// Integers are 4 bytes in the machine's order; a text is its length and its bytes. Both sides begin with the magic
// number. A member then sends rank, world size, task id and a command: start, print (with a text) or shutdown.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"

namespace clary::xgboost {

/// Who a member talks to. n members, numbered by rank; -1: nobody.
struct Neighbours {
  int parent = -1;
  std::vector<int> tree;  // parent and children, ascending
  int previous = -1, next = -1;
};
Neighbours neighbours_of(int rank, int members);

class Tracker {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0, or when it is taken: any
    int members = 1;
    std::chrono::milliseconds gathering{300'000};                         // until all members are there
    std::chrono::milliseconds silence{60'000};                            // the longest wait for one message
    std::function<void(std::string_view)> log = [](std::string_view) {};  // called from the tracker's thread
  };

  /// @throws Error when the address cannot be listened on
  explicit Tracker(Options options);
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;
  /// Waits a moment for the members to say goodbye, then hangs up.
  ~Tracker();

  std::uint16_t port() const noexcept { return port_; }

 private:
  struct Member;

  void run();
  void introduce_all();
  void receive(std::chrono::steady_clock::time_point deadline);
  void introduce(std::size_t rank);
  bool wait_readable(std::chrono::steady_clock::time_point deadline);

  Options options_;
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::vector<Member> members_;  // sorted by task id once all are there
  int farewells_ = 0;
  bool introduced_ = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace clary::xgboost
