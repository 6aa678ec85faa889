// SPDX-License-Identifier: Apache-2.0
#include "http/connection.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "http/pass_on.h"
#include "http/write_head.h"

namespace clary::http {

namespace {

constexpr std::size_t kCopyStep = 64 * 1024;
constexpr std::size_t kOneWrite = 64 * 1024;  // bodies up to this size go out together with the head
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

int status_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::kInvalid:
    case Kind::kMalformed:
      return 400;
    case Kind::kNotFound:
      return 404;
    case Kind::kConflict:
      return 409;
    case Kind::kDenied:
      return 403;
    case Kind::kLimit:
      return 413;
    case Kind::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

/// The answer to a handler's exception: its text where the request was at fault; otherwise only the status, and the
/// text is logged.
/// Runs after the handler: the request is no longer being read.
Response response_to(const std::exception& e, const std::string& target) {
  const auto* request_error = dynamic_cast<const RequestError*>(&e);
  const auto* error = dynamic_cast<const Error*>(&e);
  const int status = request_error != nullptr ? request_error->status()
                     : error != nullptr       ? status_of(error->kind())
                                              : 500;
  if (status < 500) return text_response(status, std::string(e.what()) + "\n");
  log::error("{}: {}", target, e.what());
  return text_response(status, std::string(reason_phrase(status)) + "\n");
}

/// Digits only, 1 to 65535.
std::optional<std::uint16_t> port_of(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (ec != std::errc() || end != digits.data() + digits.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

/// The body of one request, as its framing says; sends "100 Continue" before the first wait.
/// Its lifetime is answer()'s frame; handlers get it by reference and must not keep it.
class Connection::Body final : public BodySource {
 public:
  Body(Connection& connection, const Framing& framing, bool expects_continue)
      : connection_(connection),
        stream_(*connection.stream_),
        kind_(framing.kind),
        left_(framing.length),
        expects_continue_(expects_continue) {}

  asio::awaitable<std::size_t> read_some(std::span<std::byte> into) override {
    if (ended()) co_return 0;
    if (broken_) throw RequestError(400, "request body can't be read any further");
    // The flag is set before the await: if the read ends by an exception nobody may go on behind it, because a chunk's
    // header could be taken for content.
    broken_ = true;  // until this read succeeds: after an exception the position in the framing is lost
    // A deadline for a minimum of progress, not for the whole body: a large upload over a slow line is legal, a client
    // that sends a byte a minute is not.
    stream_.set_progress_timeout(connection_.env_.options.progress_timeout);
    std::size_t n = 0;
    try {
      if (expects_continue_) {
        expects_continue_ = false;
        co_await stream_.write(kContinue);
      }
      n = kind_ == BodyKind::kChunked ? co_await read_chunked(into) : co_await read_counted(into);
    } catch (const TimedOut&) {
      throw RequestError(408, "request body came too slowly");
    }
    stream_.no_deadline();
    broken_ = false;
    co_return n;
  }

  std::optional<std::uint64_t> size() const override {
    if (kind_ == BodyKind::kChunked) return std::nullopt;
    return left_;
  }

  bool ended() const noexcept { return kind_ == BodyKind::kChunked ? decoder_.done() : left_ == 0; }
  bool broken() const noexcept { return broken_; }

 private:
  // Buffered bytes first, otherwise straight into the caller's memory without a copy.
  asio::awaitable<std::size_t> take(std::span<std::byte> into) {
    const std::string_view ready = stream_.buffered();
    if (ready.empty()) {
      const std::size_t n = co_await stream_.read_some(into);
      if (n == 0) throw Disconnected("the request body was cut off");
      co_return n;
    }
    const std::size_t n = std::min(ready.size(), into.size());
    std::memcpy(into.data(), ready.data(), n);
    stream_.consume(n);
    co_return n;
  }

  asio::awaitable<std::size_t> read_counted(std::span<std::byte> into) {
    const std::size_t n = co_await take(into.first(std::min<std::uint64_t>(into.size(), left_)));
    left_ -= n;
    co_return n;
  }

  // Returns content only; size lines and trailers are consumed in between.
  asio::awaitable<std::size_t> read_chunked(std::span<std::byte> into) {
    while (!decoder_.done()) {
      if (decoder_.remaining() > 0) {
        const std::size_t n = co_await take(into.first(std::min<std::uint64_t>(into.size(), decoder_.remaining())));
        decoder_.took(n);
        co_return n;
      }
      if (stream_.buffered().empty() && !co_await stream_.fill()) throw Disconnected("the request body was cut off");
      const std::string_view ready = stream_.buffered();
      const std::size_t taken = decoder_.frame(ready);
      stream_.consume(taken);
    }
    co_return 0;
  }

  Connection& connection_;
  Stream& stream_;
  BodyKind kind_;
  std::uint64_t left_;
  bool expects_continue_;
  bool broken_ = false;
  ChunkDecoder decoder_;
};

// One coroutine a connection, on its loop's thread from accept to close; nothing of a connection is touched by another
// thread.
asio::awaitable<void> Connection::run() {
  try {
    while (co_await serve_one()) {
    }
  } catch (const Disconnected&) {
  } catch (const TimedOut&) {
    // The peer's fault or its right: not logged.
  } catch (const std::exception& e) {
    log::error("connection from {}: {}", peer_, e.what());
  }
  stream_->close();
}

// Between requests the pending read is cancelled, which ends serve_one(). Within one, env_.stopping is seen when it is
// answered.
void Connection::stop() noexcept {
  if (idle_) stream_->cancel();
}

asio::awaitable<std::optional<RequestHead>> Connection::read_head() {
  const HeadLimits& limits = env_.options.head;
  // The head has a deadline from its first byte on; before that the connection is idle and may wait longer.
  stream_->set_progress_timeout(Clock::duration::zero());
  std::size_t searched = 0;
  bool started = false;
  for (;;) {
    while (stream_->buffered().starts_with("\r\n") && searched == 0) stream_->consume(2);  // RFC 9112 section 2.2
    const std::string_view ready = stream_->buffered();
    if (!ready.empty() && !started) {
      started = true;
      // idle_ decides what stop() does and which timeout applies, hence it is cleared as soon as a byte is there.
      idle_ = false;
      stream_->set_timeout(env_.options.head_timeout);
    }
    if (const auto end = find_head_end(ready, searched)) {
      RequestHead head = parse_request_head(ready.substr(0, *end), limits);
      stream_->consume(*end);
      stream_->no_deadline();
      co_return head;
    }
    if (ready.size() > limits.max_bytes)
      throw RequestError(431, "head of the request is larger than " + std::to_string(limits.max_bytes) + " bytes");
    searched = ready.size();
    if (!started) {
      if (env_.stopping) co_return std::nullopt;
      idle_ = true;
      stream_->set_timeout(env_.options.idle_timeout);
    }
    if (!co_await stream_->fill()) {
      if (started) throw Disconnected("the request was cut off");
      co_return std::nullopt;
    }
  }
}

// GCC 12 cannot co_await in a catch block (nor does C++ allow it): status and reason are carried out of it.
asio::awaitable<bool> Connection::serve_one() {
  std::optional<RequestHead> head;
  int status = 0;
  std::string reason;
  try {
    head = co_await read_head();
    if (!head) co_return false;
  } catch (const RequestError& e) {
    status = e.status();
    reason = e.what();
  } catch (const TimedOut&) {
    if (idle_) co_return false;
    status = 408;
    reason = "the head of the request did not come in time";
  }
  if (status != 0) {
    co_await refuse(status, reason);
    // linger(): see there; the request's remaining bytes are unread.
    if (status != 408) co_await linger();  // a peer that was too slow gets no more time
    co_return false;
  }
  // After the handshake the loop goes on with the requests inside the tunnel.
  if (head->method == "CONNECT") {
    co_await open_tunnel(*head);
    co_return stream_->tls();
  }
  co_return co_await answer(std::move(*head));
}

asio::awaitable<bool> Connection::answer(RequestHead head) {
  Framing framing;
  std::string reason;
  int status = 0;
  try {
    framing = request_framing(head);
    const std::string_view expect = head.headers.value_or("Expect", "100-continue");
    if (!equal_ignoring_case(expect, "100-continue")) throw RequestError(417, "Expect: only 100-continue is known");
  } catch (const RequestError& e) {
    status = e.status();
    reason = e.what();
  }
  if (status != 0) {
    co_await refuse(status, reason);
    co_await linger();
    co_return false;
  }
  // HTTP/1.0 has no 100 Continue (RFC 9110 section 10.1.1).
  const bool waits = head.version == 11 && head.headers.has("Expect");
  const bool waits_for_nothing = waits && framing.kind == BodyKind::kNone;
  Body body(*this, framing, waits && !waits_for_nothing);
  bool keep = !head.headers.has_token("Connection", "close") &&
              (head.version == 11 || head.headers.has_token("Connection", "keep-alive"));
  Request request{std::move(head.method),
                  std::move(head.target),
                  std::move(head.headers),
                  body,
                  stream_->tls(),
                  connect_host_,
                  peer_};
  Response response;
  try {
    response = co_await env_.handler(request);
  } catch (const Disconnected&) {
    // The peer has gone: there is nobody to answer.
    throw;
  } catch (const std::exception& e) {
    response = response_to(e, request.target);
  }
  // The method decides below whether the answer has a body; the handler owned the request meanwhile.
  head.method = std::move(request.method);
  // The handler may have answered without reading the body. Then the connection cannot be kept: the rest of the body is
  // where the next request would begin.
  const bool unread = !body.ended();
  // botocore (1.29) expects a 100 before an empty body too; a final answer in its place leaves its connection unusable.
  if (waits_for_nothing) co_await stream_->write(kContinue);
  // `Connection: close` is honoured after the answer; while the server stops every connection ends with its current
  // answer.
  keep = keep && !response.close && !unread && !env_.stopping;
  stream_->set_progress_timeout(env_.options.progress_timeout);
  co_await write_response(response, head, keep);
  if (unread) co_await linger();  // also when no 100 was sent: clients send the body after a while without one
  co_return keep;
}

asio::awaitable<void> Connection::write_response(Response& response, const RequestHead& head, bool keep) {
  const bool bodiless = head.method == "HEAD" || response.status == 204 || response.status == 304;
  std::optional<std::uint64_t> length;
  auto* text = std::get_if<std::string>(&response.body);
  auto* file = std::get_if<FileBody>(&response.body);
  auto* source = std::get_if<std::unique_ptr<BodySource>>(&response.body);
  if (text != nullptr) {
    length = text->size();
  } else if (file != nullptr) {
    length = file->length;
  } else if (*source) {
    length = (*source)->size();
  } else {
    length = 0;
  }
  const bool chunked = !length && head.version == 11;
  if (!length && !chunked) keep = false;  // HTTP/1.0: the end of the connection ends the body
  // A member, so that its capacity is reused by the next answer.
  out_.clear();
  append_response_head(out_, response, head.method, length, chunked, keep);
  if (bodiless) {
    co_await stream_->write(out_);
  } else if (text != nullptr && text->size() <= kOneWrite) {
    // Head and small body in one write: one packet.
    out_.append(*text);
    co_await stream_->write(out_);
  } else {
    co_await stream_->write(out_);
    if (text != nullptr) {
      co_await stream_->write(*text);
    } else if (file != nullptr) {
      // Files go by sendfile() on the worker pool, since reading a file may block.
      co_await stream_->send_file(env_.workers, file->fd.get(), file->offset, file->length);
    } else if (*source) {
      co_await copy_body(**source, length, chunked);
    }
  }
  stream_->no_deadline();
  // Signals the end of the stream to the peer, while its remaining bytes are still read by linger().
  if (!keep) stream_->close_write();
}

asio::awaitable<void> Connection::copy_body(BodySource& source, std::optional<std::uint64_t> length, bool chunked) {
  // Room in front for the chunk's size line and behind for its CR LF: a chunk leaves in one write, without a copy.
  std::string buffer(kChunkHeadRoom + kCopyStep + 2, '\0');
  // At most the announced length is taken, whatever the source gives.
  std::uint64_t left = length.value_or(~0ULL);
  for (;;) {
    stream_->no_deadline();  // the source has deadlines of its own
    const std::size_t n = co_await source.read_some(
        std::as_writable_bytes(std::span(buffer.data() + kChunkHeadRoom, std::min<std::uint64_t>(kCopyStep, left))));
    stream_->set_progress_timeout(env_.options.progress_timeout);
    if (n == 0) break;
    co_await stream_->write(chunked ? framed_chunk(buffer, n) : std::string_view(buffer).substr(kChunkHeadRoom, n));
    left -= n;
    if (left == 0) break;
  }
  // The length is in the head already: the only way to report the fault is to cut the connection.
  if (length && left != 0) throw Disconnected("a response body ended before its announced length");
  if (chunked) co_await stream_->write("0\r\n\r\n");
}

asio::awaitable<void> Connection::refuse(int status, std::string text) {
  Response response = text_response(status, text + "\n");
  const RequestHead head;
  stream_->set_progress_timeout(env_.options.progress_timeout);
  co_await write_response(response, head, false);
}

/// Reads what the peer still sends, within bounds. Closing a socket with unread bytes makes the kernel send a reset,
/// which can overtake the answer; the peer would see "connection reset" in place of, say, 413.
asio::awaitable<void> Connection::linger() {
  stream_->close_write();
  stream_->set_progress_timeout(Clock::duration::zero());
  stream_->set_timeout(env_.options.drain_timeout);
  std::uint64_t drained = stream_->buffered().size();
  stream_->consume(drained);
  std::string scratch(kCopyStep, '\0');
  while (drained <= env_.options.drain_bytes) {
    const std::size_t n = co_await stream_->read_some(std::as_writable_bytes(std::span(scratch)));
    if (n == 0) break;
    drained += n;
  }
}

// CONNECT: the proxy ends TLS itself, with a certificate for the host asked for, and serves the requests inside as its
// own.
asio::awaitable<void> Connection::open_tunnel(const RequestHead& head) {
  // authority-form: host:port (RFC 9112 section 3.2.3).
  const std::string_view target = head.target;
  const std::size_t colon = target.rfind(':');
  const std::string host = lower(target.substr(0, colon));
  const std::optional<std::uint16_t> port =
      colon == std::string_view::npos ? std::nullopt : port_of(target.substr(colon + 1));
  // No tunnel inside a tunnel. The policies decide about hosts.
  const bool allowed = port && !stream_->tls();
  std::shared_ptr<asio::ssl::context> context;
  if (allowed && env_.options.tunnel) context = env_.options.tunnel(host, *port);
  if (!context && allowed && env_.options.passes_on && env_.options.passes_on(host, *port)) {
    co_await pass_tunnel_on(host, *port);
    co_return;
  }
  if (!context) {
    co_await refuse(403, "CONNECT " + head.target.substr(0, 256) + ": this proxy does not connect to that host");
    co_await linger();
    co_return;
  }
  connect_host_ = host;
  stream_->set_timeout(env_.options.head_timeout);
  // Before start_tls(): the client begins its handshake when it has read this line.
  co_await stream_->write("HTTP/1.1 200 Connection Established\r\n\r\n");
  co_await stream_->start_tls(std::move(context));
}

// The host is connected to before the answer, so that its absence is a 502 that the client shows, not a tunnel that
// breaks.
asio::awaitable<void> Connection::pass_tunnel_on(std::string host, std::uint16_t port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);  // IPv6
  std::shared_ptr<Stream> upstream;
  std::string reason;
  stream_->no_deadline();
  try {
    upstream = co_await connect_to(host, port, env_.options.connect_timeout);
  } catch (const Error& error) {
    reason = error.what();
  }
  if (!upstream) {
    co_await refuse(502, "CONNECT " + reason);
    co_await linger();
    co_return;
  }
  stream_->set_timeout(env_.options.head_timeout);
  co_await stream_->write("HTTP/1.1 200 Connection Established\r\n\r\n");
  // A server that stops ends the tunnel at once: no request of its own is in flight.
  if (env_.stopping) co_return;
  idle_ = true;
  co_await pass_on(stream_, std::move(upstream), env_.options.pass_on_idle);
}

}  // namespace clary::http
