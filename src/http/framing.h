// SPDX-License-Identifier: Apache-2.0
// Where one message ends and the next begins. Two parsers that disagree about this are how requests get smuggled, so
// everything doubtful is refused (RFC 9112 section 6): chunked with anything else, chunked HTTP/1.0, both
// Content-Length and Transfer-Encoding, repeated lengths, folded header lines. Boost.Beast 1.74 accepts several of
// these; it only splits the head into fields here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/headers.h"
#include "http/message.h"

namespace clary::http {

struct HeadLimits {
  std::size_t max_bytes = 64 * 1024;
  std::size_t max_target_bytes = 16 * 1024;
  std::size_t max_fields = 128;
};

struct RequestHead {
  std::string method;
  std::string target;
  int version = 11;  // 10 or 11
  Headers headers;
};

struct ResponseHead {
  int status = 0;
  int version = 11;
  Headers headers;
};

/// Position just behind the blank line that ends a head, or nothing yet. `searched`: bytes already looked at.
std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t searched = 0) noexcept;

/// Parses a whole head (as find_head_end cut it). @throws RequestError with 400, 414, 431, 501 or 505
RequestHead parse_request_head(std::string_view head, const HeadLimits& limits);
/// @throws RequestError{400}; the caller makes a bad gateway of it
ResponseHead parse_response_head(std::string_view head, const HeadLimits& limits);

enum class BodyKind { kNone, kLength, kChunked, kUntilClose };

struct Framing {
  BodyKind kind = BodyKind::kNone;
  std::uint64_t length = 0;
};

/// @throws RequestError{400} when the head leaves the end of the body in doubt, {501} for other codings
Framing request_framing(const RequestHead& head);
Framing response_framing(const ResponseHead& head, std::string_view request_method);

/// Decodes Transfer-Encoding: chunked. Alternates: frame() consumes the framing between contents, then the caller takes
/// remaining() bytes of content from its own buffers, and reports them with took().
class ChunkDecoder {
 public:
  /// How many bytes of `input` are framing; stops before content, behind the last trailer, or at the end of input.
  /// @throws RequestError{400}, {431} for long trailers
  std::size_t frame(std::string_view input);
  bool done() const noexcept { return state_ == State::kDone; }
  /// Content bytes of the current chunk still to come (0 between chunks).
  std::uint64_t remaining() const noexcept { return state_ == State::kContent ? remaining_ : 0; }
  /// Content bytes that a caller took from the wire itself; at most remaining().
  void took(std::uint64_t bytes) noexcept;

 private:
  enum class State { kSize, kExtension, kSizeLf, kContent, kContentCr, kContentLf, kTrailer, kTrailerLf, kDone };
  void size_digit(char c);
  void end_size();

  State state_ = State::kSize;
  std::uint64_t remaining_ = 0;
  int digits_ = 0;
  std::size_t line_bytes_ = 0;     // of the current extension or trailer line
  std::size_t trailer_bytes_ = 0;  // of all trailers
};

}  // namespace clary::http
