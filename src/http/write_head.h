// SPDX-License-Identifier: Apache-2.0
// Heads as bytes. Values that would break out of their line lose the offending characters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace clary::http {

/// Appends status line, the response's own fields, and Date, Content-Length or Transfer-Encoding, Connection.
/// @param length  of the body; nothing means chunked (or until close when !keep and the client spoke HTTP/1.0)
void append_response_head(std::string& out, const Response& response, std::string_view request_method,
                          std::optional<std::uint64_t> length, bool chunked, bool keep);

/// Appends request line and fields; the caller has put Host and the framing among them.
void append_request_head(std::string& out, std::string_view method, std::string_view target, const Headers& headers);

/// Room in front of a chunk's content for its size line: 8 hex digits, CR LF.
constexpr std::size_t kChunkHeadRoom = 10;

/// `buffer` holds kChunkHeadRoom bytes, then `content` bytes, then two more: fills in both ends.
std::string_view framed_chunk(std::string& buffer, std::size_t content);

}  // namespace clary::http
