// SPDX-License-Identifier: Apache-2.0
// The serving processes of one variant (or of one transform instance): least busy first, counted in and out so that
// nothing is stopped under a request. start, resize and stop run on the serving loop; enter, leave, pick and call may
// be used from any thread and never take a lock that is held for long.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "http/client.h"
#include "platform/serving/replica.h"

namespace clary::serving {

struct ReplicaSetSpec {
  ReplicaSpec replica;             // log_stream is the prefix before "/<instance id>"
  std::filesystem::path run_root;  // a folder with a short path
  int count = 1;
  std::string instance_id;  // with what the stream's name ends; "": made up for each
};

/// "i-0123456789abcdef0", the form of an instance id.
std::string new_instance_id();

/// Instances asked for -> processes on this machine: at least 1, at most one a CPU (2 where there is one).
int sensible_count(int instances);

class ReplicaSet : public std::enable_shared_from_this<ReplicaSet> {
 public:
  ReplicaSet(ServingLoop& loop, const telemetry::LogStore& logs, ReplicaSetSpec spec);

  /// Starts the processes and returns at once.
  void start_in_background();
  /// True when all answered /ping, false as soon as one cannot start.
  asio::awaitable<bool> ready();
  /// On the serving loop: what the first process that cannot start printed last; may be empty.
  std::string last_line() const;
  /// More or fewer processes; returns when the new ones answer (false: they cannot start, nothing changed).
  asio::awaitable<bool> resize(int count);
  /// Waits until nobody is inside (at most `patience`), then stops the processes.
  asio::awaitable<void> drain_and_stop(std::chrono::milliseconds patience);

  int count() const noexcept { return count_.load(); }

  /// Counts a request in. False once the set is being drained: look the route up again.
  bool enter() noexcept;
  void leave() noexcept { inside_.fetch_sub(1); }

  /// The ready replica with the fewest requests, counted in; null when none is ready. `other_than` is avoided when
  /// there is a choice.
  std::shared_ptr<Replica> pick(const Replica* other_than = nullptr);

 private:
  using Replicas = std::vector<std::shared_ptr<Replica>>;
  std::shared_ptr<Replica> make();
  asio::awaitable<bool> wait_ready(Replicas replicas);
  void start_all(const Replicas& replicas);

  ServingLoop& loop_;
  const telemetry::LogStore& logs_;
  const ReplicaSetSpec spec_;
  asio::steady_timer changed_;
  std::atomic<std::shared_ptr<const Replicas>> replicas_;
  std::atomic<int> count_ = 0;
  std::atomic<int> inside_ = 0;
  std::atomic<bool> closed_ = false;
};

/// A request's stay in a set and at one replica; leaves both when it goes.
class Visit {
 public:
  explicit Visit(std::shared_ptr<ReplicaSet> set) : set_(std::move(set)) {}
  Visit(Visit&& other) noexcept : set_(std::move(other.set_)), replica_(std::move(other.replica_)) {}
  Visit& operator=(Visit&&) = delete;
  ~Visit() {
    if (replica_) replica_->leave();
    if (set_) set_->leave();
  }
  /// Moves to a ready replica; null when none is.
  std::shared_ptr<Replica> next_replica() {
    auto next = set_->pick(replica_.get());
    if (replica_) replica_->leave();
    return replica_ = std::move(next);
  }

 private:
  std::shared_ptr<ReplicaSet> set_;
  std::shared_ptr<Replica> replica_;
};

}  // namespace clary::serving
