// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace clary::http {

namespace {

struct Reason {
  int status;
  std::string_view phrase;
};

// Sorted by status: reason_phrase() bisects.
constexpr auto kReasons = std::to_array<Reason>({
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {424, "Failed Dependency"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
});

constexpr std::size_t kFirstRead = 16 * 1024;

}  // namespace

std::string_view reason_phrase(int status) noexcept {
  const auto* row =
      std::lower_bound(kReasons.begin(), kReasons.end(), status, [](const Reason& r, int s) { return r.status < s; });
  return row != kReasons.end() && row->status == status ? row->phrase : "Unknown";
}

Response text_response(int status, std::string text, std::string_view content_type) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", content_type);
  response.body = std::move(text);
  return response;
}

asio::awaitable<std::size_t> TextBody::read_some(std::span<std::byte> into) {
  const std::size_t n = std::min(into.size(), text_.size() - at_);
  std::memcpy(into.data(), text_.data() + at_, n);
  at_ += n;
  co_return n;
}

// max_bytes is checked against the announcement first, so that a refused body is not read at all.
asio::awaitable<std::string> read_body(BodySource& body, std::uint64_t max_bytes) {
  const std::optional<std::uint64_t> announced = body.size();
  const std::string rule = " is more than the " + std::to_string(max_bytes) + " bytes allowed here";
  if (announced && *announced > max_bytes)
    throw RequestError(413, "request body: " + std::to_string(*announced) + " bytes" + rule);
  std::string text;
  std::size_t filled = 0;
  // The announced size is a claim: memory grows with what has really come, doubling.
  text.resize(std::min<std::uint64_t>(announced.value_or(kFirstRead), kFirstRead));
  if (text.empty()) co_return text;
  for (;;) {
    if (filled == text.size()) {
      // One read beyond the end: a source with checksums verifies them when it reports its end.
      if (announced && filled == *announced) {  // the source may still have a checksum to verify at its end
        std::byte beyond;
        if (co_await body.read_some(std::span(&beyond, 1)) != 0)
          throw RequestError(400, "request body is longer than it announced");
        break;
      }
      const std::uint64_t room = std::max<std::uint64_t>(text.size() * 2, kFirstRead);
      // max_bytes + 1: a body of exactly the limit still needs one read to find its end, and the byte beyond shows an
      // excess.
      text.resize(std::min<std::uint64_t>(announced ? std::min(room, *announced) : room, max_bytes + 1));
    }
    const std::size_t n =
        co_await body.read_some(std::as_writable_bytes(std::span(text.data() + filled, text.size() - filled)));
    if (n == 0) break;
    filled += n;
    if (filled > max_bytes) throw RequestError(413, "request body" + rule);
  }
  text.resize(filled);
  co_return text;
}

}  // namespace clary::http
