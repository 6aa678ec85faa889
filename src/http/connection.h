// SPDX-License-Identifier: Apache-2.0
// One server connection: reads heads, runs the handler, writes answers, until either side has had enough.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "http/server.h"
#include "http/stream.h"

namespace clary::http {

/// What all connections of a server share. `stopping` is read by the I/O threads only at request boundaries.
struct ConnectionEnvironment {
  const ServerOptions& options;
  const Handler& handler;
  asio::thread_pool& workers;
  const std::atomic<bool>& stopping;
};

class Connection {
 public:
  Connection(std::shared_ptr<Stream> stream, const ConnectionEnvironment& environment, std::string peer)
      : stream_(std::move(stream)), env_(environment), peer_(std::move(peer)) {}

  /// Serves requests until the connection ends; throws nothing.
  asio::awaitable<void> run();
  /// Ends the connection if it waits for a request, else after the current one. On its I/O thread.
  void stop() noexcept;
  void abort() noexcept { stream_->abort(); }

 private:
  class Body;
  asio::awaitable<bool> serve_one();
  asio::awaitable<std::optional<RequestHead>> read_head();
  asio::awaitable<bool> answer(RequestHead head);
  asio::awaitable<void> open_tunnel(const RequestHead& head);
  asio::awaitable<void> pass_tunnel_on(std::string host, std::uint16_t port);
  asio::awaitable<void> write_response(Response& response, const RequestHead& head, bool keep);
  asio::awaitable<void> copy_body(BodySource& source, std::optional<std::uint64_t> length, bool chunked);
  asio::awaitable<void> refuse(int status, std::string text);
  asio::awaitable<void> linger();

  std::shared_ptr<Stream> stream_;
  const ConnectionEnvironment& env_;
  std::string peer_;
  std::string connect_host_;
  std::string out_;  // head (and small body) of the answer being written; its memory is kept
  bool idle_ = true;
};

}  // namespace clary::http
