// SPDX-License-Identifier: Apache-2.0
// Bytes as a connection gets them: head, framing decision, chunked body. Only RequestError may escape, and the decoder
// must give the same content however the input is cut.
#include <cstdlib>
#include <string>

#include "http/framing.h"

namespace {

using namespace clary::http;

std::string decode(std::string_view wire, std::size_t step) {
  ChunkDecoder decoder;
  std::string content;
  for (std::size_t at = 0; at < wire.size() && !decoder.done();) {
    const std::string_view piece = wire.substr(at, step);
    if (decoder.remaining() > 0) {
      const std::size_t n = std::min<std::uint64_t>(piece.size(), decoder.remaining());
      content.append(piece.substr(0, n));
      decoder.took(n);
      at += n;
    } else {
      at += decoder.frame(piece);
    }
  }
  return content;
}

std::string outcome(std::string_view wire, std::size_t step) {
  try {
    return decode(wire, step);
  } catch (const RequestError& e) {
    return std::to_string(e.status());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const HeadLimits limits{4096, 1024, 16};
  std::string_view body = input;
  if (const auto end = find_head_end(input)) {
    body = input.substr(*end);
    try {
      const RequestHead head = parse_request_head(input.substr(0, *end), limits);
      if (head.headers.size() > limits.max_fields || head.target.size() > limits.max_target_bytes) std::abort();
      request_framing(head);
    } catch (const RequestError&) {
    }
    try {
      response_framing(parse_response_head(input.substr(0, *end), limits), "GET");
    } catch (const RequestError&) {
    }
  }
  if (outcome(body, 1) != outcome(body, body.size() + 1)) std::abort();
  return 0;
}
