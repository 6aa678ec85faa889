// SPDX-License-Identifier: Apache-2.0
// Where the hosts of a job find each other: a small key-value service over TCP on the first host. Each host keeps one
// connection for as long as the job runs, so the service also knows who is gone. Messages: u8 verb, u32 key length,
// key, u32 value length, value (little endian, bounded); see rendezvous.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/mutex.h"

namespace clary::collective {

/// Address of a host name as "127.0.0.2", retried until `deadline`: names may resolve late.
/// @throws Error{kUnavailable} naming the host
std::string resolve(const std::string& host, std::chrono::steady_clock::time_point deadline);

class RendezvousServer {
 public:
  /// @throws Error{kConflict} naming address and port when it is taken
  RendezvousServer(const std::string& address, std::uint16_t port);
  RendezvousServer(const RendezvousServer&) = delete;
  RendezvousServer& operator=(const RendezvousServer&) = delete;
  ~RendezvousServer();

 private:
  void accept_loop();
  void serve(int fd);
  bool answer(int fd, std::uint8_t verb, std::string key, std::string value, std::string& host);

  UniqueFd listener_;
  Mutex mutex_;
  Condition changed_;  // values_ or stopping_
  std::map<std::string, std::string, std::less<>> values_ GUARDED_BY(mutex_);
  std::set<std::string> gone_ GUARDED_BY(mutex_);
  std::list<std::pair<int, std::thread>> connections_ GUARDED_BY(mutex_);  // one a host, until the end of the job
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread accepting_;
};

class RendezvousClient {
 public:
  /// Connects, again and again until `deadline`. @throws Error{kUnavailable} naming the first host
  RendezvousClient(const std::string& self, const std::string& first_host, std::uint16_t port,
                   std::chrono::steady_clock::time_point deadline);

  void set(std::string_view key, std::string_view value);
  /// Waits for the key. @return false after the time-out
  bool get(std::string_view key, std::string& value, std::chrono::milliseconds timeout);
  /// Names of hosts whose connection ended.
  std::vector<std::string> gone();

 private:
  std::string call(std::uint8_t verb, std::string_view key, std::string_view value, bool& found);

  std::string first_host_;
  Mutex mutex_;  // held from a request to its answer: they are not numbered
  UniqueFd fd_ GUARDED_BY(mutex_);
};

}  // namespace clary::collective
