// SPDX-License-Identifier: Apache-2.0
// Strands by name: the operations on one name run one after another, each to its end with all its awaits; those on
// different names run side by side. Serving loop only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "base/log.h"
#include "platform/serving/serving_loop.h"

namespace clary::serving {

class OperationQueues {
 public:
  using Operation = std::function<asio::awaitable<void>()>;

  explicit OperationQueues(ServingLoop& loop) : loop_(loop) {}

  /// Runs `operation` after all earlier ones of that name. What it throws is logged.
  void add(const std::string& name, Operation operation) {
    const auto [queue, idle] = waiting_.try_emplace(name);
    queue->second.push_back(std::move(operation));
    if (idle)
      asio::co_spawn(
          loop_.context(), [this, name] { return run(name); }, asio::detached);
  }

 private:
  /// One at a time for each name: the queue is in the map as long as this runs.
  asio::awaitable<void> run(std::string name) {
    std::deque<Operation>& queue = waiting_[name];  // references into a map stay valid
    while (!queue.empty()) {
      const Operation operation = std::move(queue.front());
      queue.pop_front();
      try {
        co_await operation();
      } catch (const std::exception& e) {
        log::error("{}: {}", name, e.what());
      }
    }
    waiting_.erase(name);
  }

  ServingLoop& loop_;
  std::map<std::string, std::deque<Operation>> waiting_;
};

}  // namespace clary::serving
