// SPDX-License-Identifier: Apache-2.0
#include "http/stream.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <boost/asio/ssl.hpp>
#pragma GCC diagnostic pop

namespace clary::http {

namespace {

constexpr std::size_t kProgressBytes = 4 * 1024;   // fewer than this per progress timeout is no progress
constexpr std::uint64_t kFileStep = 1024 * 1024;   // bytes per hop to the worker pool
constexpr std::size_t kFileCopyStep = 128 * 1024;  // the same where bytes must pass through user space

}  // namespace

// The ssl::stream refers to the socket and the context, which live as long as it does.
struct Stream::Tls {
  Tls(Socket& socket, std::shared_ptr<asio::ssl::context> c) : context(std::move(c)), stream(socket, *context) {}
  std::shared_ptr<asio::ssl::context> context;
  asio::ssl::stream<Socket&> stream;
};

Stream::Stream(Socket socket, std::chrono::milliseconds tick)
    : socket_(std::move(socket)), timer_(socket_.get_executor()), tick_(tick) {}

Stream::~Stream() = default;

std::shared_ptr<Stream> Stream::make(Socket socket, std::chrono::milliseconds tick) {
  error_code ignored;
  // Both calls: Asio's own flag, and O_NONBLOCK for the direct send() and sendfile() below.
  socket.non_blocking(true, ignored);
  socket.native_non_blocking(true, ignored);
  return std::shared_ptr<Stream>(new Stream(std::move(socket), tick));
}

// The timer holds the stream weakly: it must not keep a finished connection alive for a tick. It is armed again only
// while there is a deadline, so an idle kept connection costs no wake-ups; set_deadline() arms it anew.
void Stream::watch() {
  watched_ = true;
  timer_.expires_after(tick_);
  timer_.async_wait([weak = weak_from_this()](const error_code& ec) {
    const auto self = weak.lock();
    if (ec || !self || !self->socket_.is_open()) return;
    self->watched_ = false;
    if (self->deadline_ == Clock::time_point::max()) return;
    // cancel() ends the pending operation with operation_aborted; fail() then finds that the deadline has passed.
    if (Clock::now() >= self->deadline_) self->cancel();
    self->watch();
  });
}

// Operations that start later are not affected: the caller's loop checks its own conditions.
void Stream::cancel() noexcept {
  error_code ignored;
  socket_.cancel(ignored);
}

void Stream::close_write() noexcept {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

// shutdown() first, so that operations that start later fail as well.
void Stream::abort() noexcept {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.cancel(ignored);
}

void Stream::close() noexcept {
  error_code ignored;
  timer_.cancel(ignored);
  socket_.close(ignored);
}

void Stream::check_deadline() const {
  if (Clock::now() >= deadline_) throw TimedOut();
}

// Cancelled operations end with operation_aborted, whether the deadline, stop() or abort() cancelled them: the clock
// decides.
void Stream::fail(const error_code& ec) {
  if (ec == asio::error::operation_aborted && Clock::now() >= deadline_) throw TimedOut();
  throw Disconnected("connection: " + ec.message());
}

// A timeout that is renewed by every kProgressBytes.
void Stream::set_progress_timeout(Clock::duration after) {
  progress_timeout_ = after;
  progress_bytes_ = 0;
  if (after > Clock::duration::zero()) set_timeout(after);
}

void Stream::progressed(std::size_t bytes) {
  if (progress_timeout_ == Clock::duration::zero()) return;
  progress_bytes_ += bytes;
  if (progress_bytes_ < kProgressBytes) return;
  progress_bytes_ = 0;
  set_timeout(progress_timeout_);
}

asio::awaitable<void> Stream::start_tls(std::shared_ptr<asio::ssl::context> context) {
  tls_ = std::make_unique<Tls>(socket_, std::move(context));
  error_code ec;
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  // What the client sent right behind CONNECT is in the read buffer already and belongs to the handshake.
  // The buffer is emptied: what it held is ciphertext.
  const std::string early(buffered());
  consume(early.size());
  if (early.empty()) {
    co_await tls_->stream.async_handshake(asio::ssl::stream_base::server, token);
  } else {
    const asio::const_buffer first = asio::buffer(early);
    co_await tls_->stream.async_handshake(asio::ssl::stream_base::server, first, token);
  }
  if (ec) fail(ec);
}

asio::awaitable<std::size_t> Stream::read_some(std::span<std::byte> into) {
  error_code ec;
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  const asio::mutable_buffer buffer(into.data(), into.size());
  std::size_t n = 0;
  if (tls_) {
    n = co_await tls_->stream.async_read_some(buffer, token);
  } else {
    n = co_await socket_.async_read_some(buffer, token);
  }
  // A peer that closes without close_notify (truncation) counts as an end: HTTP's framing notices what is missing.
  if (ec == asio::error::eof || ec == asio::ssl::error::stream_truncated) co_return 0;
  if (ec) fail(ec);
  progressed(n);
  co_return n;
}

asio::awaitable<void> Stream::write(std::string_view bytes) {
  if (!tls_) {  // most answers fit the socket's buffer: no await, no reactor
    const ssize_t n = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    // n < 0 (EAGAIN, or a broken connection) is left to the await below, which waits or reports it.
    if (n > 0) {
      progressed(static_cast<std::size_t>(n));
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  error_code ec;
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  while (!bytes.empty()) {
    const asio::const_buffer buffer(bytes.data(), bytes.size());
    std::size_t n = 0;
    if (tls_) {
      n = co_await tls_->stream.async_write_some(buffer, token);
    } else {
      n = co_await socket_.async_write_some(buffer, token);
    }
    if (ec) fail(ec);
    progressed(n);
    bytes.remove_prefix(n);
  }
}

// Runs on the loop except for the offloaded lambdas; those touch only locals of this frame, which lives until they
// have ended.
asio::awaitable<void> Stream::send_file(asio::thread_pool& pool, int file, std::uint64_t offset, std::uint64_t length) {
  std::string copy;
  auto at = static_cast<off_t>(offset);
  error_code ec;
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  while (length > 0) {
    ssize_t n = 0;
    if (tls_) {
      // TLS encrypts in user space: the bytes must be copied.
      copy.resize(std::min<std::uint64_t>(length, kFileCopyStep));
      n = co_await offload(pool, [&] { return ::pread(file, copy.data(), copy.size(), at); });
      if (n > 0) {
        co_await write(std::string_view(copy).substr(0, static_cast<std::size_t>(n)));
        at += n;
      }
    } else {
      // sendfile() may block on the disk, so it runs on the pool; errno is that thread's and is carried back.
      const int socket = socket_.native_handle();
      int failure = 0;
      n = co_await offload(pool, [&] {
        const ssize_t sent = ::sendfile(socket, file, &at, std::min(length, kFileStep));
        failure = errno;
        return sent;
      });
      if (n < 0 && (failure == EAGAIN || failure == EINTR)) {
        // A slow reader: the deadline is checked here because no operation was pending that it could cancel.
        check_deadline();
        co_await socket_.async_wait(Socket::wait_write, token);
        if (ec) fail(ec);
        continue;
      }
      if (n < 0) throw Disconnected(std::string("sendfile: ") + std::strerror(failure));
      progressed(static_cast<std::size_t>(n));
    }
    if (n <= 0) throw Disconnected("file ended before its announced length");
    length -= static_cast<std::uint64_t>(n);
  }
}

void Stream::consume(std::size_t bytes) noexcept {
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

asio::awaitable<bool> Stream::fill(std::size_t room) {
  // Unread bytes are moved to the front only if the room behind them is too small.
  if (begin_ > 0 && buffer_.size() - end_ < room) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < room) buffer_.resize(end_ + room);
  const std::size_t n =
      co_await read_some(std::as_writable_bytes(std::span(buffer_.data() + end_, buffer_.size() - end_)));
  end_ += n;
  co_return n > 0;
}

}  // namespace clary::http
