// SPDX-License-Identifier: Apache-2.0
#include "http/framing.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace clary::http {

namespace {

constexpr int kMaxSizeDigits = 15;               // 2^60 bytes: no body is longer, and the sum of sizes cannot overflow
constexpr std::size_t kMaxExtensionBytes = 256;  // no extension is in use anywhere
constexpr std::size_t kMaxTrailerBytes = 8 * 1024;

/// Digits only: a sign, blanks or a list ("3, 3") is refused, because another parser may read it differently. 18 digits
/// fit 64 bits.
std::optional<std::uint64_t> decimal(std::string_view text) noexcept {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Everything ambiguous is refused: two parsers that read one request differently are how requests are smuggled past
// checks (RFC 9112 section 11.2).
[[noreturn]] void bad(const std::string& what) { throw RequestError(400, what); }

/// The framing that both directions share; nothing when neither field is there.
std::optional<Framing> declared_framing(const Headers& headers, int version) {
  std::optional<std::string_view> length, coding;
  // A second field is refused even when its value is the same.
  for (const auto [name, value] : headers) {
    if (equal_ignoring_case(name, "content-length")) {
      if (length) bad("Content-Length is given more than once");
      length = value;
    } else if (equal_ignoring_case(name, "transfer-encoding")) {
      if (coding) bad("Transfer-Encoding is given more than once");
      coding = value;
    }
  }
  if (coding) {
    // RFC 9112 section 6.3 allows Transfer-Encoding to win; refusing is the safer choice it also allows.
    if (length) bad("both Content-Length and Transfer-Encoding are given");
    if (version < 11) bad("Transfer-Encoding is not part of HTTP/1.0");
    if (!equal_ignoring_case(*coding, "chunked"))
      throw RequestError(501, "Transfer-Encoding: only \"chunked\" is supported");
    return Framing{BodyKind::kChunked, 0};
  }
  if (length) {
    const auto value = decimal(*length);
    if (!value) bad("Content-Length is not a number of at most 18 digits");
    return Framing{*value == 0 ? BodyKind::kNone : BodyKind::kLength, *value};
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t searched) noexcept {
  const std::size_t from = searched < 3 ? 0 : searched - 3;  // the blank line may have been cut within its four bytes
  if (from >= bytes.size()) return std::nullopt;
  const void* hit = ::memmem(bytes.data() + from, bytes.size() - from, "\r\n\r\n", 4);
  if (hit == nullptr) return std::nullopt;
  return static_cast<std::size_t>(static_cast<const char*>(hit) - bytes.data()) + 4;
}

Framing request_framing(const RequestHead& head) {
  // Without either field a request has no body.
  return declared_framing(head.headers, head.version).value_or(Framing{});
}

// RFC 9112 section 6.3: these answers have no body, whatever their fields say.
Framing response_framing(const ResponseHead& head, std::string_view request_method) {
  if (request_method == "HEAD" || head.status == 204 || head.status == 304 || head.status / 100 == 1) return {};
  // Without either field an answer ends with its connection.
  return declared_framing(head.headers, head.version).value_or(Framing{BodyKind::kUntilClose, 0});
}

// remaining_ is 0 when a size line begins: took() and end_size() leave it so.
void ChunkDecoder::size_digit(char c) {
  const int value = hex_value(c);
  if (value >= 0) {
    // Checked before the shift, so that remaining_ cannot overflow.
    if (++digits_ > kMaxSizeDigits) bad("chunk size has more than 15 digits");
    remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(value);
    return;
  }
  if (digits_ == 0) bad("chunk size is missing or not hexadecimal");
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (c == ';') {
    state_ = State::kExtension;
    line_bytes_ = 0;
  } else {
    bad("chunk size is not hexadecimal");
  }
}

void ChunkDecoder::end_size() {
  state_ = remaining_ == 0 ? State::kTrailer : State::kContent;
  digits_ = 0;
  line_bytes_ = 0;
}

void ChunkDecoder::took(std::uint64_t bytes) noexcept {
  remaining_ -= bytes;
  if (remaining_ == 0) state_ = State::kContentCr;
}

// One state a position in  size [;extension] CR LF  content CR LF  ...  0 CR LF  trailers  CR LF  (RFC 9112
// section 7.1). The input may be cut at any byte. Bare line feeds are refused: parsers that accept them see other
// chunks than those that do not.
std::size_t ChunkDecoder::frame(std::string_view input) {
  std::size_t i = 0;
  for (; i < input.size() && state_ != State::kDone; ++i) {
    const char c = input[i];
    switch (state_) {
      case State::kSize:
        size_digit(c);
        break;
      case State::kExtension:
        if (++line_bytes_ > kMaxExtensionBytes) bad("chunk extension is longer than 256 bytes");
        if (c == '\r') state_ = State::kSizeLf;
        if (c == '\n') bad("chunk line ends without CR");
        break;
      case State::kSizeLf:
        if (c != '\n') bad("chunk line ends without LF");
        end_size();
        break;
      // Content is not this function's: the caller moves remaining() bytes and calls took().
      case State::kContent:
        return i;
      case State::kContentCr:
        if (c != '\r') bad("chunk is longer than its size says");
        state_ = State::kContentLf;
        break;
      case State::kContentLf:
        if (c != '\n') bad("chunk is not followed by CR LF");
        state_ = State::kSize;
        break;
      // Trailer fields are not used by any client of these APIs; ignoring them is allowed (RFC 9110 section 6.5.1).
      case State::kTrailer:  // read past and dropped; line_bytes_ 0 at CR is the blank line that ends the body
        if (++trailer_bytes_ > kMaxTrailerBytes) throw RequestError(431, "trailers are longer than 8 KiB");
        if (c == '\r') {
          state_ = State::kTrailerLf;
        } else if (c == '\n') {
          bad("trailer line ends without CR");
        } else {
          ++line_bytes_;
        }
        break;
      case State::kTrailerLf:
        if (c != '\n') bad("trailer line ends without LF");
        state_ = line_bytes_ == 0 ? State::kDone : State::kTrailer;
        line_bytes_ = 0;
        break;
      case State::kDone:
        break;
    }
  }
  return i;
}

}  // namespace clary::http
