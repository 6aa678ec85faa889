// SPDX-License-Identifier: Apache-2.0
// What a handler receives and returns. Bodies are streams: a request body is read on demand (the first read also sends
// "100 Continue" when the client waits for it), a response body is text, a piece of a file, or another stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "base/files.h"
#include "http/asio.h"
#include "http/headers.h"

namespace clary::http {

/// An error with the HTTP status that answers it: 400, 408, 411, 413, 414, 431, 501, 505.
class RequestError : public Error {
 public:
  RequestError(int status, const std::string& message)
      : Error(status == 413 ? Kind::kLimit : Kind::kMalformed, message), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

/// The peer closed the connection or broke it: there is no one to send an answer to.
class Disconnected : public Error {
 public:
  explicit Disconnected(const std::string& message) : Error(Kind::kCancelled, message) {}
};

/// A stream of bytes, pulled. One reader; not thread-safe.
class BodySource {
 public:
  virtual ~BodySource() = default;
  /// Fills at most `into.size()` bytes (> 0) and returns how many; 0 is the end.
  /// @throws RequestError on broken framing or a stalled peer, Disconnected when the peer is gone
  virtual asio::awaitable<std::size_t> read_some(std::span<std::byte> into) = 0;
  /// Bytes left, when known before the end.
  virtual std::optional<std::uint64_t> size() const { return std::nullopt; }
};

/// A body that is in memory already.
class TextBody final : public BodySource {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  asio::awaitable<std::size_t> read_some(std::span<std::byte> into) override;
  std::optional<std::uint64_t> size() const override { return text_.size() - at_; }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

struct Request {
  std::string method;
  std::string target;  // raw, as sent
  Headers headers;
  BodySource& body;
  bool tls = false;
  std::string connect_host;  // the host asked for by CONNECT, when inside such a tunnel
  std::string peer;          // address of the client, or "unix"

  std::string_view path() const noexcept { return std::string_view(target).substr(0, target.find('?')); }
  std::string_view query() const noexcept {
    const std::size_t mark = target.find('?');
    return mark == std::string::npos ? std::string_view{} : std::string_view(target).substr(mark + 1);
  }
};

/// Bytes [offset, offset + length) of an open file; sent without passing through user space where possible.
struct FileBody {
  UniqueFd fd;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// Content-Length or Transfer-Encoding, Date and Connection are added by the server. A handler of HEAD answers as for
/// GET (or sets Content-Length itself with an empty body); the server leaves the body out.
struct Response {
  int status = 200;
  Headers headers;
  std::variant<std::string, FileBody, std::unique_ptr<BodySource>> body;
  bool close = false;
};

using Handler = std::function<asio::awaitable<Response>(Request&)>;

Response text_response(int status, std::string text, std::string_view content_type = "text/plain; charset=utf-8");

/// The reason phrase of a status code, "Unknown" where there is none.
std::string_view reason_phrase(int status) noexcept;

/// The whole body as text. @throws RequestError{413} when it is longer than max_bytes (before reading when it says so)
asio::awaitable<std::string> read_body(BodySource& body, std::uint64_t max_bytes);

namespace detail {

/// What the work of offload() gave: a value or an exception. R = void holds only the exception.
template <class R>
struct Outcome {
  std::optional<R> value;
  std::exception_ptr error;
  template <class F>
  void fill(F& f) {
    try {
      value.emplace(f());
    } catch (...) {
      error = std::current_exception();
    }
  }
  R take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
};

template <>
struct Outcome<void> {
  std::exception_ptr error;
  template <class F>
  void fill(F& f) {
    try {
      f();
    } catch (...) {
      error = std::current_exception();
    }
  }
  void take() const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace detail

/// Runs `f` on the pool and resumes the awaiting coroutine on its own executor with the result or the exception: for
/// everything that blocks or computes for long.
///
/// Posting the coroutine back touches the event loop after the loop's thread may already run it (the post wakes that
/// thread when it has queued the handler). The worker therefore holds work of the loop until its post has returned:
/// run() cannot return before, so the loop cannot be destroyed under the post. A loop that is ended by stop() needs the
/// pool joined first.
template <class F>
asio::awaitable<std::invoke_result_t<F&>> offload(asio::thread_pool& pool, F f) {
  using R = std::invoke_result_t<F&>;
  detail::Outcome<R> outcome;
  auto start = [&pool, &outcome, &f](auto handler) {
    asio::post(pool, [&outcome, &f, handler = std::move(handler)]() mutable {
      const auto executor = asio::get_associated_executor(handler);
      const auto loop_work = asio::make_work_guard(executor);
      outcome.fill(f);
      asio::post(executor,
                 std::move(handler));  // `outcome` and `f` belong to the coroutine, which may be gone from here on
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(std::move(start), asio::use_awaitable);
  co_return outcome.take();
}

}  // namespace clary::http
