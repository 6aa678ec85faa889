// SPDX-License-Identifier: Apache-2.0
// One connected socket (TCP or Unix), plain or with TLS on top, with a deadline and a read buffer. Every await ends
// when the deadline passes. Belongs to one I/O thread; only `stop()` of the server reaches it from outside, by posting.
//
// The deadline is a variable that a coarse tick looks at, so moving it costs nothing on the hot path.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/asio.h"
#include "http/message.h"

namespace clary::http {

using Clock = std::chrono::steady_clock;
using Socket = asio::generic::stream_protocol::socket;

/// The deadline passed while an operation waited.
class TimedOut : public Error {
 public:
  TimedOut() : Error(Kind::kUnavailable, "the peer took too long") {}
};

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  /// @param tick  how often the deadline is looked at
  static std::shared_ptr<Stream> make(Socket socket, std::chrono::milliseconds tick);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void set_deadline(Clock::time_point at) {
    deadline_ = at;
    if (!watched_) watch();
  }
  void set_timeout(Clock::duration after) { set_deadline(Clock::now() + after); }
  void no_deadline() noexcept { deadline_ = Clock::time_point::max(); }

  /// Takes TLS up as the server. The context must outlive the call only.
  asio::awaitable<void> start_tls(std::shared_ptr<asio::ssl::context> context);
  bool tls() const noexcept { return tls_ != nullptr; }

  /// Reads from the socket, past the buffer. 0 at an orderly end. @throws TimedOut, Disconnected
  asio::awaitable<std::size_t> read_some(std::span<std::byte> into);
  /// Writes all of it; small answers leave in one send call. @throws TimedOut, Disconnected
  asio::awaitable<void> write(std::string_view bytes);
  /// Sends a piece of a file; blocking disk reads happen on `pool`.
  asio::awaitable<void> send_file(asio::thread_pool& pool, int file, std::uint64_t offset, std::uint64_t length);

  /// What was read and not used yet.
  std::string_view buffered() const noexcept { return std::string_view(buffer_).substr(begin_, end_ - begin_); }
  void consume(std::size_t bytes) noexcept;
  /// Appends at least one byte to the buffer, or returns false at the end of the stream.
  asio::awaitable<bool> fill(std::size_t room = 16 * 1024);

  /// Extends the deadline each time enough bytes have moved since the last time: a peer that trickles is a slow peer.
  void set_progress_timeout(Clock::duration after);

  void cancel() noexcept;       // pending operations fail with TimedOut or Disconnected
  void close_write() noexcept;  // orderly end of our side (TLS: without close_notify)
  void abort() noexcept;        // both directions end now; the descriptor stays until close()
  void close() noexcept;
  Socket& socket() noexcept { return socket_; }

 private:
  struct Tls;
  Stream(Socket socket, std::chrono::milliseconds tick);
  void watch();
  void check_deadline() const;
  void progressed(std::size_t bytes);
  [[noreturn]] void fail(const error_code& ec);

  Socket socket_;
  asio::steady_timer timer_;
  std::chrono::milliseconds tick_;
  bool watched_ = false;  // the tick is armed; it rests while there is no deadline
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::duration progress_timeout_{0};
  std::size_t progress_bytes_ = 0;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::unique_ptr<Tls> tls_;
};

}  // namespace clary::http
