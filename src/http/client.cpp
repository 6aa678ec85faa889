// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/mutex.h"
#include "http/stream.h"
#include "http/write_head.h"

namespace clary::http {

namespace {

constexpr std::chrono::milliseconds kTick{100};
constexpr std::size_t kOneWrite = 64 * 1024;  // bodies up to this size are sent together with the head

}  // namespace

using Endpoint = asio::generic::stream_protocol::endpoint;

namespace {

/// Idle connections, each bound to the event loop on which it was opened: a socket cannot change its loop, and must be
/// destroyed before it. A pool and the loops (LoopEnd) own this together. Connections are destroyed under the lock, so
/// that a loop that ends while another thread destroys the pool waits until the pool's sockets are gone.
class IdleConnections {
 public:
  explicit IdleConnections(std::size_t limit) : limit_(limit) {}

  void put(const asio::execution_context& loop, std::shared_ptr<Stream> stream) {
    const MutexLock lock(mutex_);
    if (idle_.size() < limit_) idle_.push_back({&loop, std::move(stream)});
  }
  /// The newest of that loop, so that the rest can time out; or null.
  /// Searched from the newest, since a server closes the oldest idle connections first.
  std::shared_ptr<Stream> take(const asio::execution_context& loop) {
    const MutexLock lock(mutex_);
    const auto hit = std::find_if(idle_.rbegin(), idle_.rend(), [&](const Idle& i) { return i.loop == &loop; });
    if (hit == idle_.rend()) return nullptr;
    std::shared_ptr<Stream> stream = std::move(hit->stream);
    idle_.erase(std::next(hit).base());
    return stream;
  }
  // Called by the loop's shutdown: a socket must not outlive its event loop.
  void close(const asio::execution_context& loop) {
    const MutexLock lock(mutex_);
    std::erase_if(idle_, [&](const Idle& i) { return i.loop == &loop; });
  }
  /// The pool has gone.
  void close_all() {
    const MutexLock lock(mutex_);
    idle_.clear();
  }

 private:
  struct Idle {
    const asio::execution_context* loop;
    std::shared_ptr<Stream> stream;
  };
  const std::size_t limit_;
  Mutex mutex_;
  std::vector<Idle> idle_ GUARDED_BY(mutex_);  // oldest first
};

}  // namespace

/// Where a client connects to, and its idle connections. The pool outlives the Client for as long as a response body
/// may still return a connection to it.
class Client::Pool {
 public:
  Pool(Endpoint endpoint, std::string host, bool tcp, ClientOptions options)
      : endpoint_(std::move(endpoint)),
        host_(std::move(host)),
        tcp_(tcp),
        options_(options),
        idle_(std::make_shared<IdleConnections>(options.max_idle)) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { idle_->close_all(); }

  /// A live idle connection of that event loop, or null.
  std::shared_ptr<Stream> take(const asio::execution_context& context);
  void put(const asio::execution_context& context, std::shared_ptr<Stream> stream);
  asio::awaitable<std::shared_ptr<Stream>> connect(Clock::time_point deadline);

  /// Servers that write head and body in two calls would wait for our delayed ACK in between: 40 ms a request.
  void acknowledge_at_once(Stream& stream) const noexcept {
    const int on = 1;
    if (tcp_) ::setsockopt(stream.socket().native_handle(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
  }

  const std::string& host() const noexcept { return host_; }
  const ClientOptions& options() const noexcept { return options_; }

 private:
  const Endpoint endpoint_;
  const std::string host_;
  const bool tcp_;
  const ClientOptions options_;
  const std::shared_ptr<IdleConnections> idle_;
};

namespace {

/// A service of the event loop, which Asio shuts down with it: closes the pools' idle connections on that loop.
class LoopEnd final : public asio::execution_context::service {
 public:
  using key_type = LoopEnd;
  static asio::execution_context::id id;
  explicit LoopEnd(asio::execution_context& owner) : service(owner) {}

  void subscribe(const std::shared_ptr<IdleConnections>& idle) {
    const MutexLock lock(mutex_);
    // A list whose only owner is this loop belongs to a pool that has gone.
    std::erase_if(all_, [](const auto& one) { return one.use_count() == 1; });  // only this loop knows it still
    if (std::find(all_.begin(), all_.end(), idle) == all_.end()) all_.push_back(idle);
  }

 private:
  // Runs while the io_context is being destroyed, before its reactor goes.
  void shutdown() override {
    const MutexLock lock(mutex_);
    for (const auto& idle : all_) idle->close(context());
  }
  Mutex mutex_;
  std::vector<std::shared_ptr<IdleConnections>> all_ GUARDED_BY(mutex_);
};

asio::execution_context::id LoopEnd::id;

/// False when the server has closed the connection meanwhile, or has sent something that belongs to no request.
/// A peek without waiting: EAGAIN means open and silent. It cannot exclude a close that is under way; send() handles
/// that as a stale connection.
bool is_alive(Stream& stream) noexcept {
  char byte;
  const ssize_t n = ::recv(stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace

// Dead connections are dropped on the way.
std::shared_ptr<Stream> Client::Pool::take(const asio::execution_context& context) {
  for (;;) {
    std::shared_ptr<Stream> stream = idle_->take(context);
    if (stream == nullptr || is_alive(*stream)) return stream;
  }
}

// An idle connection has no deadline, so that its timer does not wake the loop.
void Client::Pool::put(const asio::execution_context& context, std::shared_ptr<Stream> stream) {
  stream->no_deadline();
  idle_->put(context, std::move(stream));
}

asio::awaitable<std::shared_ptr<Stream>> Client::Pool::connect(Clock::time_point deadline) {
  auto executor = co_await asio::this_coro::executor;
  Socket socket(executor);
  // The protocol is opened explicitly: the endpoint may be TCP or a Unix socket.
  error_code ec;
  socket.open(endpoint_.protocol(), ec);
  if (ec) throw Error(Kind::kUnavailable, host_ + ": " + ec.message());
  auto stream = Stream::make(std::move(socket), kTick);
  // After the socket and its timer, which make the loop's reactor: a loop shuts its services down newest first, and
  // the reactor must not go while another thread still takes sockets out of it.
  asio::use_service<LoopEnd>(executor.context()).subscribe(idle_);
  stream->set_deadline(deadline);
  co_await stream->socket().async_connect(endpoint_, asio::redirect_error(asio::use_awaitable, ec));
  if (ec == asio::error::operation_aborted) throw TimedOut();
  if (ec) throw Error(Kind::kUnavailable, host_ + ": " + ec.message());
  if (tcp_) stream->socket().set_option(asio::ip::tcp::no_delay(true), ec);
  // The relay in a sandbox accepts before the program does; only its first byte says that the program was reached
  // (port_relay.cpp).
  if (options_.greeted) {
    std::byte greeting{};
    bool reached = false;
    try {
      reached = co_await stream->read_some(std::span(&greeting, 1)) == 1;
    } catch (const Disconnected&) {
      // as at an orderly end
    }
    if (!reached) throw Error(Kind::kUnavailable, host_ + ": nobody listens behind the relay");
  }
  co_return stream;
}

namespace {

/// The body of a response; gives the connection back at its end.
class ResponseBody final : public BodySource {
 public:
  ResponseBody(std::shared_ptr<Client::Pool> pool, std::shared_ptr<Stream> stream, const Framing& framing, bool keep,
               const asio::execution_context& context)
      : pool_(std::move(pool)),
        stream_(std::move(stream)),
        kind_(framing.kind),
        left_(framing.length),
        keep_(keep && framing.kind != BodyKind::kUntilClose),
        context_(context) {
    if (kind_ == BodyKind::kNone) finish();
  }

  // Reads at most what the framing still allows, so that bytes behind the body stay in the buffer and are noticed by
  // finish().
  asio::awaitable<std::size_t> read_some(std::span<std::byte> into) override {
    if (!stream_) co_return 0;
    if (kind_ == BodyKind::kChunked) {
      // Framing bytes are consumed until content begins or the body ends.
      while (!decoder_.done() && decoder_.remaining() == 0) {
        if (stream_->buffered().empty() && !co_await stream_->fill()) throw Disconnected("the answer was cut off");
        const std::size_t taken = decoder_.frame(stream_->buffered());
        stream_->consume(taken);
      }
      left_ = decoder_.remaining();
    }
    if (kind_ != BodyKind::kUntilClose && left_ == 0) {
      finish();
      co_return 0;
    }
    const std::size_t wanted = kind_ == BodyKind::kUntilClose
                                   ? into.size()
                                   // Without a length the end of the connection is the end of the body.
                                   : static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_));
    // Content that came with the head lies in the stream's buffer and goes first.
    std::size_t n = std::min(wanted, stream_->buffered().size());
    if (n > 0) {
      std::memcpy(into.data(), stream_->buffered().data(), n);
      stream_->consume(n);
    } else {
      n = co_await stream_->read_some(into.first(wanted));
    }
    if (n == 0 && kind_ != BodyKind::kUntilClose) throw Disconnected("the answer was cut off");
    if (n == 0) finish();
    left_ -= kind_ == BodyKind::kUntilClose ? 0 : n;
    if (kind_ == BodyKind::kChunked) decoder_.took(n);
    // At the last byte of a counted body, not at the next read: the caller may stop reading here, and the connection
    // is free.
    if (kind_ == BodyKind::kLength && left_ == 0) finish();
    co_return n;
  }

  std::optional<std::uint64_t> size() const override {
    if (!stream_) return 0;
    return kind_ == BodyKind::kLength ? std::optional(left_) : std::nullopt;
  }

 private:
  void finish() {
    // With bytes left over the connection's state is unknown: it is closed instead of reused.
    if (keep_ && stream_->buffered().empty()) pool_->put(context_, std::move(stream_));
    stream_.reset();
  }

  std::shared_ptr<Client::Pool> pool_;
  std::shared_ptr<Stream> stream_;
  BodyKind kind_;
  std::uint64_t left_;
  bool keep_;
  const asio::execution_context& context_;
  ChunkDecoder decoder_;
};

asio::awaitable<void> send_request(Stream& stream, const ClientRequest& request, const std::string& host) {
  Headers headers = request.headers;
  if (!headers.has("Host")) headers.add("Host", host);
  // A request that may have a body must say so, even if it is empty (RFC 9110 section 8.6).
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD"))
    headers.set("Content-Length", std::to_string(request.body.size()));
  // One segment for head and small body: one system call less, and no delay by Nagle's algorithm on the other side.
  const bool together = request.body.size() <= kOneWrite;
  std::string head;
  head.reserve(512 + (together ? request.body.size() : 0));
  append_request_head(head, request.method, request.target, headers);
  if (together) head += request.body;
  co_await stream.write(head);
  if (!together) co_await stream.write(request.body);
}

asio::awaitable<ResponseHead> receive_head(Stream& stream, const HeadLimits& limits) {
  // `searched` is what has been scanned for the blank line already: slow heads do not cost quadratic time.
  for (std::size_t searched = 0;;) {
    const std::string_view ready = stream.buffered();
    if (const auto end = find_head_end(ready, searched)) {
      ResponseHead head = parse_response_head(ready.substr(0, *end), limits);
      stream.consume(*end);
      searched = 0;
      if (head.status / 100 != 1) co_return head;  // 100 Continue and its like come before the answer
      continue;
    }
    if (ready.size() > limits.max_bytes) throw Error(Kind::kMalformed, "the answer's head is too long");
    searched = ready.size();
    if (!co_await stream.fill()) throw Disconnected("no answer came");
  }
}

}  // namespace

Client Client::to_unix(const std::filesystem::path& path, ClientOptions options) {
  if (path.native().size() >= sizeof(sockaddr_un{}.sun_path))
    throw Error(Kind::kInvalid, "socket path " + path.string() + " is longer than 107 bytes");
  const Endpoint endpoint = asio::local::stream_protocol::endpoint(path.string());
  return Client(std::make_shared<Pool>(endpoint, "localhost", false, options));
}

Client Client::to_tcp(const std::string& host, std::uint16_t port, ClientOptions options) {
  // Resolved once; it blocks, but not for the literal addresses that this server connects to.
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  error_code ec;
  const auto found = resolver.resolve(host, std::to_string(port), ec);
  const std::string name = host + ":" + std::to_string(port);
  if (ec || found.empty()) throw Error(Kind::kInvalid, name + ": " + ec.message());
  return Client(std::make_shared<Pool>(Endpoint(found.begin()->endpoint()), name, true, options));
}

asio::awaitable<ClientResponse> Client::send(const ClientRequest& request, std::chrono::milliseconds timeout) {
  const auto pool = pool_;  // the Client may be destroyed while the call waits
  const Clock::time_point deadline = Clock::now() + timeout;
  auto executor = co_await asio::this_coro::executor;
  const asio::execution_context& context = executor.context();
  const bool safe = request.method == "GET" || request.method == "HEAD";
  // A second pass only after an idle connection turned out to be dead: the server closed it before it saw the request.
  for (;;) {
    std::shared_ptr<Stream> stream = request.new_connection ? nullptr : pool->take(context);
    const bool reused = stream != nullptr;
    if (!reused) stream = co_await pool->connect(deadline);
    stream->set_deadline(deadline);
    bool again = false;
    ResponseHead head;
    try {
      co_await send_request(*stream, request, pool->host());
      pool->acknowledge_at_once(*stream);
      head = co_await receive_head(*stream, pool->options().head);
    } catch (const Disconnected& e) {
      // Only if no byte of an answer came on a reused connection. Otherwise the request may have been processed.
      if (!reused || !stream->buffered().empty()) throw;
      // POST may have been processed even so; the caller decides whether to repeat it.
      if (!safe) throw StaleConnection(e.what());
      again = true;
    }
    // Outside of the handler, where co_await is allowed.
    if (again) continue;
    const Framing framing = response_framing(head, request.method);
    const bool keep = !head.headers.has_token("Connection", "close") &&
                      (head.version == 11 || head.headers.has_token("Connection", "keep-alive"));
    ClientResponse response;
    response.status = head.status;
    response.headers = std::move(head.headers);
    response.body = std::make_unique<ResponseBody>(pool, std::move(stream), framing, keep, context);
    co_return response;
  }
}

}  // namespace clary::http
