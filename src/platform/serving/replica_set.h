// SPDX-License-Identifier: Apache-2.0
// The serving processes of one variant (or of one transform instance), on the serving loop: started, made more or
// fewer, drained and stopped. Requests see them through backends() only (backend.h): least busy first, counted in and
// out so that no process is stopped under a request.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

/// What one process may allocate: the memory of the instance type, at most this machine's. Not divided among the
/// processes of a variant: what they allocate and do not touch costs nothing, and models that are mapped from the disk
/// read-only do not count at all.
std::uint64_t memory_of(std::string_view instance_type);

/// On the serving loop only, but for backends() and the destructor.
class ReplicaSet : public std::enable_shared_from_this<ReplicaSet> {
 public:
  ReplicaSet(ServingLoop& loop, const telemetry::LogStore& logs, ReplicaSetSpec spec);

  /// Starts the processes and returns at once.
  void start_in_background();
  /// True when all answered /ping, false as soon as one cannot start.
  asio::awaitable<bool> ready();
  /// What the first process that cannot start printed last; may be empty.
  std::string last_line() const;
  /// More or fewer processes; returns when the new ones answer (false: they cannot start, nothing changed).
  asio::awaitable<bool> resize(int count);
  /// Waits until nobody is inside (at most `patience`), then stops the processes.
  asio::awaitable<void> drain_and_stop(std::chrono::milliseconds patience);

  /// What requests use: any thread, for as long as they like.
  const std::shared_ptr<BackendSet>& backends() const noexcept { return backends_; }

 private:
  using Replicas = std::vector<std::shared_ptr<Replica>>;
  std::shared_ptr<Replica> make();
  void set_replicas(Replicas replicas);
  asio::awaitable<bool> wait_ready(Replicas replicas);
  void start_all(const Replicas& replicas);

  ServingLoop& loop_;
  const telemetry::LogStore& logs_;
  const ReplicaSetSpec spec_;
  asio::steady_timer changed_;
  Replicas replicas_;
  const std::shared_ptr<BackendSet> backends_ = std::make_shared<BackendSet>();
};

}  // namespace clary::serving
