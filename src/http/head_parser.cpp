// SPDX-License-Identifier: Apache-2.0
// Heads of messages: Boost.Beast's parser splits them, the checks around it refuse what it lets through.
#include "http/asio.h"
#include "http/framing.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <boost/beast/http/basic_parser.hpp>
#pragma GCC diagnostic pop

namespace clary::http {

namespace beast = boost::beast;

namespace {

/// True for octets that a field value may hold: no control characters but tab (RFC 9110 section 5.5).
bool is_field_value(std::string_view value) noexcept {
  for (const char c : value)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) return false;
  return true;
}

template <bool is_request, class Head>
class HeadParser final : public beast::http::basic_parser<is_request> {
 public:
  HeadParser(Head& head, const HeadLimits& limits) : head_(head), limits_(limits) {
    this->header_limit(static_cast<std::uint32_t>(limits.max_bytes));
    // skip(true) makes Beast stop behind the head; otherwise it would interpret Content-Length and Transfer-Encoding
    // by its own, laxer rules.
    this->skip(true);  // the body is read elsewhere (framing.h)
    // eager(false): one message only; bytes behind the head stay the caller's.
    this->eager(false);
    this->body_limit(boost::none);
  }
  // What a callback refused, and why: Beast's error code cannot carry it.
  int refused_with = 400;
  const char* refused_because = nullptr;

 private:
  using string_view = beast::string_view;
  using field = beast::http::field;

  void refuse(int status, const char* why, error_code& ec) {
    refused_with = status;
    refused_because = why;
    // Any error makes Beast stop; parse() looks at refused_because first.
    ec = beast::http::error::bad_field;
  }

  void on_request_impl(beast::http::verb, string_view method, string_view target, int version,
                       error_code& ec) override {
    if constexpr (is_request) {
      if (version != 10 && version != 11) return refuse(505, "HTTP version: only 1.0 and 1.1 are spoken here", ec);
      if (target.size() > limits_.max_target_bytes) return refuse(414, "request target is too long", ec);
      head_.method.assign(method.data(), method.size());
      head_.target.assign(target.data(), target.size());
      head_.version = version;
    }
  }
  void on_response_impl(int code, string_view, int version, error_code&) override {
    if constexpr (!is_request) {
      head_.status = code;
      head_.version = version;
    }
  }
  void on_field_impl(field, string_view name, string_view value, error_code& ec) override {
    if (head_.headers.size() >= limits_.max_fields) return refuse(431, "too many header fields", ec);
    const std::string_view text(value.data(), value.size());
    if (!is_field_value(text)) return refuse(400, "a header value holds a control character", ec);
    head_.headers.add({name.data(), name.size()}, text);
  }
  // Beast asks for these; a parser that skips the body does not call them with content.
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override { return body.size(); }
  void on_finish_impl(error_code&) override {}

  Head& head_;
  const HeadLimits& limits_;
};

/// A line that begins with white space continues the one before it: obsolete, and read differently by different
/// servers.
/// RFC 9112 section 5.2: obsolete line folding is to be rejected with 400 or replaced; Beast would unfold it.
bool has_folded_line(std::string_view head) noexcept {
  for (std::size_t at = head.find('\n'); at != std::string_view::npos && at + 1 < head.size();
       at = head.find('\n', at + 1))
    if (head[at + 1] == ' ' || head[at + 1] == '\t') return true;
  return false;
}

template <bool is_request, class Head>
Head parse(std::string_view text, const HeadLimits& limits) {
  // Checked before Beast sees it: its own limit counts differently.
  if (text.size() > limits.max_bytes)
    throw RequestError(431, "head of the message is larger than " + std::to_string(limits.max_bytes) + " bytes");
  if (has_folded_line(text)) throw RequestError(400, "a header line is folded");
  Head head;
  HeadParser<is_request, Head> parser(head, limits);
  error_code ec;
  parser.put(asio::const_buffer(text.data(), text.size()), ec);
  // In this order: our own reason, then Beast's.
  if (parser.refused_because != nullptr) throw RequestError(parser.refused_with, parser.refused_because);
  if (ec == beast::http::error::bad_version) throw RequestError(505, "HTTP version: only 1.0 and 1.1 are spoken here");
  if (ec == beast::http::error::header_limit)
    throw RequestError(431, "head of the message is larger than " + std::to_string(limits.max_bytes) + " bytes");
  if (ec) throw RequestError(400, "head of the message: " + ec.message());
  if (!parser.is_header_done()) throw RequestError(400, "head of the message is not complete");
  return head;
}

}  // namespace

// Exactly one Host (RFC 9112 section 3.2): it decides which bucket a request means and is part of every signature.
RequestHead parse_request_head(std::string_view text, const HeadLimits& limits) {
  RequestHead head = parse<true, RequestHead>(text, limits);
  std::size_t hosts = 0;
  for (const auto [name, value] : head.headers) hosts += equal_ignoring_case(name, "host") ? 1U : 0U;
  if (hosts > 1) throw RequestError(400, "Host is given more than once");
  if (hosts == 0 && head.version == 11) throw RequestError(400, "Host is missing");
  return head;
}

ResponseHead parse_response_head(std::string_view text, const HeadLimits& limits) {
  return parse<false, ResponseHead>(text, limits);
}

}  // namespace clary::http
