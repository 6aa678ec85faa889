// SPDX-License-Identifier: Apache-2.0
#include "http/pass_on.h"

#include <span>
#include <utility>

#include "base/error.h"

namespace clary::http {

namespace {

constexpr std::size_t kCopyBytes = 64 * 1024;
constexpr std::chrono::milliseconds kTick{1000};  // how often idleness is looked at

/// The two directions of a tunnel. Both coroutines run on one thread, so the count needs no lock.
struct Tunnel {
  Tunnel(std::shared_ptr<Stream> a, std::shared_ptr<Stream> b, std::chrono::milliseconds limit)
      : client(std::move(a)), host(std::move(b)), idle(limit), both_ended(client->socket().get_executor()) {
    both_ended.expires_at(asio::steady_timer::time_point::max());
  }
  std::shared_ptr<Stream> client, host;
  const std::chrono::milliseconds idle;
  int running = 2;
  asio::steady_timer both_ended;  // cancelled by the direction that ends last

  /// A byte in either direction keeps both alive: a download sends nothing for minutes.
  void moved() const {
    client->set_timeout(idle);
    host->set_timeout(idle);
  }
  void ended() {
    if (--running == 0) both_ended.cancel();
  }
};

asio::awaitable<void> copy(std::shared_ptr<Tunnel> tunnel, std::shared_ptr<Stream> from, std::shared_ptr<Stream> to) {
  try {
    std::string piece(from->buffered());
    from->consume(piece.size());
    if (!piece.empty()) co_await to->write(piece);
    piece.resize(kCopyBytes);
    for (;;) {
      const std::size_t n = co_await from->read_some(std::as_writable_bytes(std::span(piece)));
      if (n == 0) break;
      tunnel->moved();
      co_await to->write(std::string_view(piece).substr(0, n));
    }
    to->close_write();  // the other direction goes on until its own end
  } catch (const std::exception&) {
    // One side is gone or idle: nothing that the other sends can arrive any more.
    from->abort();
    to->abort();
  }
  tunnel->ended();
}

}  // namespace

asio::awaitable<std::shared_ptr<Stream>> connect_to(const std::string& host, std::uint16_t port,
                                                    std::chrono::milliseconds timeout) {
  const auto executor = co_await asio::this_coro::executor;
  const auto fail = [&](const error_code& ec) {
    throw Error(Kind::kUnavailable, host + ":" + std::to_string(port) + ": " + ec.message());
  };
  error_code ec;
  asio::ip::tcp::resolver resolver(executor);
  const auto addresses =
      co_await resolver.async_resolve(host, std::to_string(port), asio::redirect_error(asio::use_awaitable, ec));
  if (ec) fail(ec);
  ec = asio::error::host_not_found;
  for (const auto& address : addresses) {
    // A connect has no deadline of its own: the timer closes the socket, and the connect ends with an error.
    asio::ip::tcp::socket socket(executor);
    asio::steady_timer timer(executor, timeout);
    timer.async_wait([&socket](const error_code& stopped) {
      error_code ignored;
      if (!stopped) socket.close(ignored);
    });
    co_await socket.async_connect(address.endpoint(), asio::redirect_error(asio::use_awaitable, ec));
    timer.cancel();
    if (!ec && socket.is_open()) co_return Stream::make(Socket(std::move(socket)), kTick);
  }
  fail(ec);
  co_return nullptr;
}

asio::awaitable<void> pass_on(std::shared_ptr<Stream> client, std::shared_ptr<Stream> host,
                              std::chrono::milliseconds idle) {
  const auto tunnel = std::make_shared<Tunnel>(std::move(client), std::move(host), idle);
  tunnel->client->set_progress_timeout(Clock::duration::zero());
  tunnel->host->set_progress_timeout(Clock::duration::zero());
  tunnel->moved();
  asio::co_spawn(tunnel->client->socket().get_executor(), copy(tunnel, tunnel->host, tunnel->client), asio::detached);
  co_await copy(tunnel, tunnel->client, tunnel->host);
  error_code ignored;
  // The caller closes the client's stream afterwards, which the other direction still writes to.
  if (tunnel->running > 0) co_await tunnel->both_ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  tunnel->host->close();
}

}  // namespace clary::http
