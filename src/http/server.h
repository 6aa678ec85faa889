// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 server: one coroutine per connection, each connection on one I/O thread for its whole life; blocking work
// goes to workers() through offload(). Bodies stream both ways with constant memory. Every wait has a deadline.
// With a tunnel policy the server also answers CONNECT and ends TLS itself, for the hosts that the policy names.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "http/framing.h"
#include "http/message.h"

namespace clary::http {

/// What CONNECT host:port gets: the TLS context to end the tunnel with, or null to refuse it.
using TunnelPolicy = std::function<std::shared_ptr<asio::ssl::context>(std::string_view host, std::uint16_t port)>;

struct ServerOptions {
  int io_threads = 0;                    // 0: one per CPU, at most 8
  int worker_threads = 0;                // 0: four per CPU, at least 8
  asio::thread_pool* workers = nullptr;  // use this pool instead of an own one; run() joins it at its end
  std::size_t max_connections = 4096;
  HeadLimits head;
  std::chrono::milliseconds head_timeout{20'000};      // from the first byte of a request to the end of its head
  std::chrono::milliseconds idle_timeout{75'000};      // between requests
  std::chrono::milliseconds progress_timeout{30'000};  // 4 KiB must move within it, reading a body or writing one
  std::chrono::milliseconds drain_timeout{20'000};     // for the rest of a body that no handler wanted
  std::uint64_t drain_bytes = 64ULL << 20;
  std::chrono::milliseconds stop_grace{30'000};  // for requests in flight when stop() is called
  TunnelPolicy tunnel;
  /// CONNECT to a host that `tunnel` does not take and this one does is passed on, bytes unread (pass_on.h). Only for
  /// servers that listen on loopback: anywhere else it would be an open proxy.
  std::function<bool(std::string_view host, std::uint16_t port)> passes_on{};
  std::chrono::milliseconds connect_timeout{15'000};  // of a tunnel that is passed on
  std::chrono::milliseconds pass_on_idle{600'000};    // without a byte in either direction
};

class Server {
 public:
  Server(ServerOptions options, Handler handler);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// @throws Error{kConflict} naming host and port when it is taken. Port 0 picks a free one.
  void listen_tcp(const std::string& host, std::uint16_t port);
  /// Replaces a socket file on which no server listens any more. @throws Error{kConflict} when one does
  void listen_unix(const std::filesystem::path& path);
  /// Port of the first TCP listener.
  std::uint16_t port() const;

  /// Serves until stop(), then accepts no more connections, waits for requests in flight (at most stop_grace, then cuts
  /// them) and returns when no thread of the server runs any more. The Server may be destroyed as soon as it has
  /// returned, also while the thread that called stop() has not returned from that call.
  void run();
  /// Asks run() to end. From any thread, any number of times while the Server lives.
  void stop();

  /// Where blocking work belongs.
  asio::thread_pool& workers();
  std::size_t connections() const noexcept;

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace clary::http
