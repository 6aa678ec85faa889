// SPDX-License-Identifier: Apache-2.0
// The one thread that starts, watches and stops serving processes, as coroutines. It lives as long as the server does:
// the kernel kills the processes when it ends (PR_SET_PDEATHSIG follows the thread that forked). Work that blocks goes
// to blocking().
#pragma once

#include <optional>
#include <thread>

#include "http/asio.h"

namespace clary::serving {

namespace asio = http::asio;

class ServingLoop {
 public:
  ServingLoop() : work_(asio::make_work_guard(context_)), thread_([this] { context_.run(); }) {}
  ServingLoop(const ServingLoop&) = delete;
  ServingLoop& operator=(const ServingLoop&) = delete;
  ~ServingLoop() { stop(); }

  asio::io_context& context() noexcept { return context_; }
  asio::thread_pool& blocking() noexcept { return blocking_; }

  /// Ends the thread, and with it every process it started. What was spawned must have been asked to end before.
  void stop() {
    work_.reset();
    blocking_.join();
    context_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  asio::io_context context_{1};
  asio::thread_pool blocking_{4};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace clary::serving
