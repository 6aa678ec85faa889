// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 client to one place (a Unix socket or a TCP address): keeps connections for reuse, streams bodies both ways,
// and ends every call by its deadline. Calls may come from any number of I/O threads; a connection stays on the thread
// that opened it.
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
};

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  Headers headers;               // Host and framing are added
  std::string body;              // the body, unless `source` is set
  BodySource* source = nullptr;  // streamed: with Content-Length when it knows its size, else chunked
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

  /// Sends and waits for the head of the answer. The deadline also covers the reading of the body.
  /// @throws Error{kUnavailable} when nobody answers there (TimedOut when not in time), Disconnected when cut off
  asio::awaitable<ClientResponse> send(ClientRequest request, std::chrono::milliseconds timeout);

  /// Drops the idle connections, say because the server there is being restarted.
  void forget_idle();

  class Pool;

 private:
  explicit Client(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
  std::shared_ptr<Pool> pool_;
};

}  // namespace clary::http
