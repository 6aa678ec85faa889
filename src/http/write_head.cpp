// SPDX-License-Identifier: Apache-2.0
#include "http/write_head.h"

#include <charconv>

#include "base/time.h"

namespace clary::http {

namespace {

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

/// The Date field's text, made once a second per thread.
const std::string& current_date() {
  thread_local EpochMs second = -1;
  thread_local std::string text;
  const EpochMs now = now_ms() / 1000;
  if (now != second) {
    second = now;
    text = http_date(now * 1000);
  }
  return text;
}

// A CR or LF in a value would begin another header (response splitting); values may contain parts of requests, such as
// metadata.
bool is_line_breaking(char c) noexcept { return c == '\r' || c == '\n' || c == '\0'; }

void append_clean(std::string& out, std::string_view text) {
  // The common case: one pass, one append.
  for (const char c : text)
    if (is_line_breaking(c)) {
      for (const char d : text)
        if (!is_line_breaking(d)) out += d;
      return;
    }
  out.append(text);
}

/// @param but_length  leave Content-Length out: the caller writes the true one
void append_fields(std::string& out, const Headers& headers, bool but_length) {
  for (const auto [name, value] : headers) {
    if (but_length && equal_ignoring_case(name, "Content-Length")) continue;
    append_clean(out, name);
    out.append(": ");
    append_clean(out, value);
    out.append("\r\n");
  }
}

}  // namespace

void append_response_head(std::string& out, const Response& response, std::string_view request_method,
                          std::optional<std::uint64_t> length, bool chunked, bool keep) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(response.status));
  out.append(" ").append(reason_phrase(response.status)).append("\r\n");
  // For HEAD the handler knows the length of the body that GET would have.
  const bool said = request_method == "HEAD" && response.headers.has("Content-Length");
  append_fields(out, response.headers, !said);
  if (!response.headers.has("Date")) out.append("Date: ").append(current_date()).append("\r\n");
  // 204 and 1xx have neither field (RFC 9110 section 8.6, RFC 9112 section 6.1); 304 may not describe a body it does
  // not have.
  if (response.status != 204 && response.status / 100 != 1 && !said) {
    if (chunked) {
      out.append("Transfer-Encoding: chunked\r\n");
    } else if (length && response.status != 304) {
      out.append("Content-Length: ");
      append_number(out, *length);
      out.append("\r\n");
    }
  }
  out.append(keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

void append_request_head(std::string& out, std::string_view method, std::string_view target, const Headers& headers) {
  append_clean(out, method);
  out.append(" ");
  append_clean(out, target);
  out.append(" HTTP/1.1\r\n");
  append_fields(out, headers, false);
  out.append("\r\n");
}

// The size line is written right-aligned into the room in front of the content, so that line, content and CR LF are
// contiguous.
std::string_view framed_chunk(std::string& buffer, std::size_t content) {
  char digits[kChunkHeadRoom - 2];
  const auto end = std::to_chars(digits, digits + sizeof digits, content, 16).ptr;
  const auto count = static_cast<std::size_t>(end - digits);
  const std::size_t begin = kChunkHeadRoom - 2 - count;
  buffer.replace(begin, count, digits, count);
  buffer[kChunkHeadRoom - 2] = '\r';
  buffer[kChunkHeadRoom - 1] = '\n';
  buffer[kChunkHeadRoom + content] = '\r';
  buffer[kChunkHeadRoom + content + 1] = '\n';
  return std::string_view(buffer).substr(begin, count + 2 + content + 2);
}

}  // namespace clary::http
