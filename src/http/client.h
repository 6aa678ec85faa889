// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 client of one server (a Unix socket or a TCP address): keeps connections for reuse, streams the answers'
// bodies, and ends every call by its deadline. Calls may come from any number of I/O threads; a connection is used only
// on the event loop that opened it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "http/framing.h"
#include "http/message.h"

namespace clary::http {

struct ClientOptions {
  std::size_t max_idle = 128;  // connections kept for reuse
  HeadLimits head;
  /// The other side is a relay that sends one byte once it is connected itself: until then nobody has been reached, and
  /// an end counts as a refused connection (kUnavailable), not as one that was lost.
  bool greeted = false;
};

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  Headers headers;  // Host and Content-Length are added
  std::string body;
  bool new_connection = false;  // do not reuse a kept one
};

/// A kept connection ended before a byte of the answer came. Either the server had closed it as idle at that moment, or
/// the request ended the server's process: the two cannot be distinguished here, so it may have been processed.
class StaleConnection : public Disconnected {
 public:
  using Disconnected::Disconnected;
};

/// `body` holds the connection: read it to the end and the connection is kept, drop it earlier and it is closed.
/// Use and drop it on the thread of the coroutine that sent the request.
struct ClientResponse {
  int status = 0;
  Headers headers;
  std::unique_ptr<BodySource> body;
};

class Client {
 public:
  static Client to_unix(const std::filesystem::path& path, ClientOptions options = {});
  /// @throws Error{kInvalid} when the host can't be resolved
  static Client to_tcp(const std::string& host, std::uint16_t port, ClientOptions options = {});

  /// Sends and waits for the head of the answer. The deadline also covers the reading of the body. After a stale
  /// connection GET and HEAD are sent again on another one; all other methods throw, because only the caller knows
  /// whether its request may be processed twice (RFC 9110 section 9.2.2).
  /// @param request  must outlive the call
  /// @throws Error{kUnavailable} when the connection is refused (TimedOut when the answer is late), Disconnected when
  /// it ends early (StaleConnection: a kept one)
  asio::awaitable<ClientResponse> send(const ClientRequest& request, std::chrono::milliseconds timeout);

  class Pool;

 private:
  explicit Client(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
  std::shared_ptr<Pool> pool_;
};

}  // namespace clary::http
