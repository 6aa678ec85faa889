// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/aws_chunked.h"

#include <algorithm>

#include "base/text.h"
#include "platform/aws/service_error.h"
#include "platform/aws/sigv4.h"

namespace clary::aws {

namespace {

constexpr std::size_t kMaxSizeLine = 256;
constexpr std::size_t kMaxTrailerBytes = 8 * 1024;
constexpr std::size_t kMaxSizeDigits = 12;
constexpr std::string_view kSignatureName = "chunk-signature=";
constexpr std::string_view kTrailerSignatureName = "x-amz-trailer-signature";

[[noreturn]] void bad(const std::string& what) {
  throw ServiceError(Code::kInvalidRequest, "The aws-chunked body is malformed: " + what);
}

bool is_signature(std::string_view text) noexcept {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::uint64_t chunk_size(std::string_view digits) {
  // 12 digits, 2^48 bytes: above every object's limit and far from an overflow.
  if (digits.empty() || digits.size() > kMaxSizeDigits) bad("a chunk size needs 1 to 12 hexadecimal digits");
  std::uint64_t value = 0;
  for (const char c : digits) {
    const int v = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
    if (v < 0) bad("a chunk size is not hexadecimal");
    value = value * 16 + static_cast<std::uint64_t>(v);
  }
  return value;
}

}  // namespace

std::optional<AwsChunkedForm> aws_chunked_form(std::string_view value) {
  if (value == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return AwsChunkedForm{false, true, {}, {}, {}, {}};
  if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return AwsChunkedForm{true, false, {}, {}, {}, {}};
  if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") return AwsChunkedForm{true, true, {}, {}, {}, {}};
  return std::nullopt;
}

AwsChunkedDecoder::AwsChunkedDecoder(AwsChunkedForm form)
    : form_(std::move(form)), previous_signature_(form_.seed_signature) {}

// AWS: "Signature calculations for the Authorization header: transferring payload in multiple chunks". Each chunk signs
// the signature before it, the first one the request's: chunks cannot be left out, repeated or reordered.
std::string AwsChunkedDecoder::chained_signature(std::string_view kind, std::string_view rest) const {
  std::string text(kAlgorithm);
  text.append(kind).append("\n").append(form_.timestamp).append("\n").append(form_.scope_text);
  text.append("\n").append(previous_signature_).append("\n").append(rest);
  return sign_text(form_.signing_key, text);
}

// Entered with the line complete and without its line end.
void AwsChunkedDecoder::size_line(std::string_view line) {
  const std::size_t semicolon = line.find(';');
  remaining_ = chunk_size(line.substr(0, semicolon));
  last_ = remaining_ == 0;
  if (form_.is_signed) {
    const std::string_view extension = semicolon == std::string_view::npos ? "" : line.substr(semicolon + 1);
    if (!extension.starts_with(kSignatureName) || !is_signature(extension.substr(kSignatureName.size())))
      bad("a chunk has no chunk-signature of 64 hexadecimal digits");
    chunk_signature_ = extension.substr(kSignatureName.size());
    // In development mode there is no signing key: framing is checked, signatures are not.
    if (!form_.signing_key.empty()) chunk_hash_.emplace(Digest::kSha256);
  }
  if (!last_) {
    state_ = State::kContent;
    return;
  }
  // The last chunk is empty and signed as well; it has no content for which content() would be called.
  end_chunk();
  state_ = form_.has_trailer ? State::kTrailerLine : State::kContentEnd;
}

// The content has been handed out by now; the read that finds the mismatch throws, so nothing that reads to the end
// keeps it.
void AwsChunkedDecoder::end_chunk() {
  if (!form_.is_signed || form_.signing_key.empty()) return;
  // The scheme prescribes the hash of an empty text here, before the hash of the chunk.
  const std::string rest = std::string(kEmptySha256) + "\n" + to_hex(chunk_hash_->finish());
  if (!equal_in_constant_time(chained_signature("-PAYLOAD", rest), chunk_signature_))
    throw ServiceError(Code::kSignatureDoesNotMatch);
  previous_signature_ = chunk_signature_;
}

void AwsChunkedDecoder::content(std::string_view bytes) {
  if (chunk_hash_) chunk_hash_->update(bytes);
  remaining_ -= bytes.size();
  if (remaining_ > 0) return;
  end_chunk();
  state_ = State::kContentEnd;
}

// The trailer's signature covers "name:value\n" of all trailers but itself, in the order sent.
void AwsChunkedDecoder::trailer_line(std::string_view line) {
  if (line.empty()) {
    check_trailer_signature();
    state_ = State::kDone;
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) bad("a trailer line is not name:value");
  const std::string name = lower(line.substr(0, colon));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (name == kTrailerSignatureName) {
    trailer_signature_ = value;
    return;
  }
  // Bounded together: names and values are kept until the end of the body.
  if (trailer_text_.size() + line.size() > kMaxTrailerBytes) bad("the trailers are longer than 8 KiB");
  trailer_text_.append(name).append(":").append(value).append("\n");
  trailers_.add(name, value);
}

void AwsChunkedDecoder::check_trailer_signature() {
  if (!form_.is_signed || form_.signing_key.empty()) return;
  if (!equal_in_constant_time(chained_signature("-TRAILER", to_hex(sha256(trailer_text_))), trailer_signature_))
    throw ServiceError(Code::kSignatureDoesNotMatch);
}

// Lines may be cut anywhere by the network: the part so far is kept in line_. Only content is left to the caller.
std::size_t AwsChunkedDecoder::frame(std::string_view input) {
  std::size_t used = 0;
  while (used < input.size() && state_ != State::kContent && state_ != State::kDone) {
    const std::string_view rest = input.substr(used);
    const std::size_t newline = rest.find('\n');
    const std::string_view piece = rest.substr(0, newline);
    // The limit is on the line, not on the input.
    const std::size_t limit = state_ == State::kTrailerLine ? kMaxTrailerBytes : kMaxSizeLine;
    if (line_.size() + piece.size() > limit) bad("a line is too long");
    line_.append(piece);
    if (newline == std::string_view::npos) return input.size();
    used += newline + 1;
    std::string line = std::move(line_);
    // A bare LF ends a line too; no chunk can be confused by it, since sizes are explicit.
    line_.clear();
    if (line.ends_with('\r')) line.pop_back();
    if (state_ == State::kSizeLine) {
      size_line(line);
    } else if (state_ == State::kTrailerLine) {
      trailer_line(line);
    } else if (!line.empty()) {
      // Behind content there is an empty line and nothing else.
      bad("a chunk is longer than its size says");
    } else {
      state_ = last_ ? State::kDone : State::kSizeLine;
    }
  }
  return used;
}

void AwsChunkedDecoder::end() {
  if (state_ == State::kDone) return;
  // SDKs differ in whether the blank line after the last chunk or trailer is sent; everything before it must be there.
  if (!last_ || !line_.empty()) throw ServiceError(Code::kIncompleteBody);
  if (state_ == State::kTrailerLine) check_trailer_signature();
  state_ = State::kDone;
}

}  // namespace clary::aws
