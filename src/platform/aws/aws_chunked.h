// SPDX-License-Identifier: Apache-2.0
// The content coding "aws-chunked": chunks with optional signatures, then optional trailers. A push decoder without
// I/O: frame() consumes the framing between contents, the caller takes remaining() bytes of content and reports them
// with content(), which hashes them for the chunk's signature.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "http/headers.h"

namespace clary::aws {

struct AwsChunkedForm {
  bool is_signed = false;    // every chunk carries a signature
  bool has_trailer = false;  // trailer lines follow the last chunk
  // What chunk signatures chain on; an empty key means "don't check" (development mode).
  std::string signing_key, timestamp, scope_text, seed_signature;
};

/// The form that x-amz-content-sha256 names, or nothing for the other values of that header.
std::optional<AwsChunkedForm> aws_chunked_form(std::string_view content_sha256);

class AwsChunkedDecoder {
 public:
  explicit AwsChunkedDecoder(AwsChunkedForm form);

  /// How many bytes of `input` are framing. Stops before content, at the end of input, or when done.
  /// @throws ServiceError: InvalidRequest on bad framing, SignatureDoesNotMatch on a wrong chunk or trailer signature
  std::size_t frame(std::string_view input);
  std::uint64_t remaining() const noexcept { return state_ == State::kContent ? remaining_ : 0; }
  void content(std::string_view bytes);
  bool done() const noexcept { return state_ == State::kDone; }
  /// The stream ended: fine when done or when only the closing blank line is missing. @throws
  /// ServiceError{IncompleteBody}
  void end();

  const http::Headers& trailers() const noexcept { return trailers_; }

 private:
  enum class State { kSizeLine, kContent, kContentEnd, kTrailerLine, kDone };
  void size_line(std::string_view line);
  void trailer_line(std::string_view line);
  void end_chunk();
  void check_trailer_signature();
  std::string chained_signature(std::string_view kind, std::string_view rest) const;

  AwsChunkedForm form_;
  State state_ = State::kSizeLine;
  std::string line_;
  std::uint64_t remaining_ = 0;
  bool last_ = false;
  std::string previous_signature_, chunk_signature_, trailer_signature_;
  std::string trailer_text_;  // name:value\n of every trailer, as signed
  std::optional<Hasher> chunk_hash_;
  http::Headers trailers_;
};

}  // namespace clary::aws
