// SPDX-License-Identifier: Apache-2.0
// One serving process: started in the sandbox, asked /ping until it answers, watched, restarted with growing pauses
// when it dies or goes silent, its output written to a log stream. All of that happens on the serving loop, which a
// replica must not outlive: its timers belong to it. What requests use of it is its Backend, which may.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "http/client.h"
#include "platform/catalog/algorithm_catalog.h"
#include "platform/sandbox/sandbox.h"
#include "platform/serving/backend.h"
#include "platform/serving/serving_loop.h"
#include "platform/telemetry/log_store.h"

namespace clary::serving {

using namespace std::chrono_literals;

/// What to run; the same for all replicas of a set but for the log stream and the run folder.
struct ReplicaSpec {
  catalog::AlgorithmCatalog::Entry algorithm;
  std::filesystem::path model_folder;              // shown read-only as /opt/ml/model
  std::filesystem::path run_folder;                // holds the socket; its path is short
  std::map<std::string, std::string> environment;  // of the container
  int threads = 1;
  std::uint64_t memory_bytes = 0;    // that the process may allocate (RLIMIT_DATA); 0: no limit
  std::filesystem::path port_relay;  // the program by which a user's program is reached at port 8080 of its network
  bool allow_plain = false;          // also where no sandbox can be made
  std::string log_group, log_stream;
  std::chrono::milliseconds startup_limit = 240s;  // AWS: /ping must answer within 4 minutes
  std::chrono::milliseconds stop_grace = 30s;      // AWS: SIGTERM, 30 s, SIGKILL
};

/// A TCP port of this machine that no other PlainPort has: for programs without a sandbox, which share its network.
class PlainPort {
 public:
  PlainPort() = default;
  PlainPort(const PlainPort&) = delete;
  PlainPort& operator=(const PlainPort&) = delete;
  ~PlainPort() { give_back(); }
  /// 8080 if it is free, because many programs insist on it. The same again when called again.
  std::uint16_t take();
  void give_back();
  std::uint16_t number() const noexcept { return number_; }

 private:
  std::uint16_t number_ = 0;
};

/// On the serving loop only, but for backend().
class Replica : public std::enable_shared_from_this<Replica> {
 public:
  Replica(ServingLoop& loop, const telemetry::LogStore& logs, ReplicaSpec spec);
  ~Replica();

  /// `changed` is called when the replica becomes ready, or cannot start.
  void start(std::function<void()> changed);
  /// SIGTERM, grace, SIGKILL; returns when the process is gone.
  asio::awaitable<void> stop();
  /// The last line that the program printed, or why it could not be started.
  const std::string& last_line() const noexcept { return last_line_; }
  bool ready() const noexcept { return backend_->ready(); }
  /// The start failed for good: the limit passed, or the program ended too often before its first /ping.
  bool failed() const noexcept { return failed_; }
  /// What requests use: any thread.
  const std::shared_ptr<Backend>& backend() const noexcept { return backend_; }

 private:
  asio::awaitable<void> live();
  asio::awaitable<void> run_once();
  asio::awaitable<void> serve_until_end();
  asio::awaitable<bool> wait_for_ping();
  asio::awaitable<bool> ping(std::chrono::milliseconds timeout);
  asio::awaitable<void> end_process();
  asio::awaitable<void> watch_exit();
  asio::awaitable<void> copy_output(UniqueFd output);
  asio::awaitable<void> sleep(std::chrono::milliseconds time);
  sandbox::ChildProcess launch();
  std::shared_ptr<http::Client> find_server() const;
  void log_line(std::string_view text);
  void remember(std::string_view line);
  void give_up();

  ServingLoop& loop_;
  telemetry::LogWriter log_;
  const ReplicaSpec spec_;
  std::function<void()> changed_;
  asio::steady_timer timer_;    // every wait of live(); cancelled to wake it
  asio::steady_timer stopped_;  // expires when live() has ended
  sandbox::ChildProcess child_;
  PlainPort plain_port_;  // where a user's program listens that runs without a sandbox
  std::string last_line_;
  bool exited_ = true, output_open_ = false, stopping_ = false, running_ = false, was_ready_ = false, failed_ = false;
  const std::shared_ptr<Backend> backend_ = std::make_shared<Backend>();
};

}  // namespace clary::serving
