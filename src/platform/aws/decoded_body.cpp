// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/decoded_body.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "platform/aws/service_error.h"

namespace clary::aws {

namespace {

struct ChecksumName {
  std::string_view header;
  std::string_view name;  // as messages and x-amz-sdk-checksum-algorithm have it
  Digest digest;
  std::size_t bytes;
};

/// The checksums that S3 knows and this server verifies.
constexpr auto kChecksums = std::to_array<ChecksumName>({
    {"x-amz-checksum-crc32", "CRC32", Digest::kCrc32, 4},
    {"x-amz-checksum-crc32c", "CRC32C", Digest::kCrc32c, 4},
    {"x-amz-checksum-crc64nvme", "CRC64NVME", Digest::kCrc64Nvme, 8},
    {"x-amz-checksum-sha1", "SHA1", Digest::kSha1, 20},
    {"x-amz-checksum-sha256", "SHA256", Digest::kSha256, 32},
});

constexpr std::size_t kFramingRead = 16 * 1024;

/// One statement about the content, to be proved at its end.
struct Check {
  Hasher hasher;
  std::string expected;       // raw digest; empty until the trailer brings it
  const ChecksumName* named;  // null: payload hash or Content-MD5
  bool is_payload_hash = false;
  bool from_trailer = false;
};

[[noreturn]] void mismatch(const Check& check, const std::string& actual) {
  if (check.is_payload_hash)
    throw ServiceError(
        Code::kXAmzContentSHA256Mismatch, std::string(row(Code::kXAmzContentSHA256Mismatch).text),
        {{"ClientComputedContentSHA256", to_hex(check.expected)}, {"S3ComputedContentSHA256", to_hex(actual)}});
  if (check.named == nullptr)
    throw ServiceError(Code::kBadDigest, std::string(row(Code::kBadDigest).text),
                       {{"ExpectedDigest", to_base64(check.expected)}, {"CalculatedDigest", to_base64(actual)}});
  throw ServiceError(Code::kBadDigest,
                     "The " + std::string(check.named->name) + " you specified did not match the calculated checksum.");
}

std::string raw_checksum(const ChecksumName& checksum, std::string_view text) {
  auto raw = from_base64(trimmed(text));
  if (!raw || raw->size() != checksum.bytes)
    throw ServiceError(Code::kInvalidRequest, "Value for " + std::string(checksum.header) + " header is invalid.");
  return std::move(*raw);
}

// Between the connection and the service: the service reads content, this class removes aws-chunked framing and proves
// the checks at the end. A service that stops reading early has verified nothing, so it must read to the end before it
// commits.
class DecodedBody final : public CheckedBody {
 public:
  DecodedBody(http::Request& request, std::optional<AwsChunkedForm> form, std::vector<Check> checks,
              std::optional<std::uint64_t> announced)
      : inner_(request.body), checks_(std::move(checks)), announced_(announced) {
    if (form) decoder_.emplace(std::move(*form));
  }

  http::asio::awaitable<std::size_t> read_some(std::span<std::byte> into) override {
    if (ended_) co_return 0;
    const std::size_t n = decoder_ ? co_await read_decoded(into) : co_await inner_.read_some(into);
    // Before the bytes are handed out: the hash is over exactly what the service gets.
    for (Check& check : checks_) check.hasher.update(into.first(n));
    seen_ += n;
    // Earlier than the end, so that an endless body is not read on.
    if (announced_ && seen_ > *announced_) throw ServiceError(Code::kIncompleteBody, wrong_length());
    // At the end all checks are done before the 0 is returned; a mismatch is thrown in its place.
    if (n == 0) finish();
    co_return n;
  }

  std::optional<std::uint64_t> size() const override {
    return announced_ ? std::optional(*announced_ - std::min(*announced_, seen_)) : std::nullopt;
  }

 private:
  http::asio::awaitable<std::size_t> read_decoded(std::span<std::byte> into) {
    while (!decoder_->done()) {
      if (decoder_->remaining() > 0) {
        const std::size_t wanted = std::min<std::uint64_t>(into.size(), decoder_->remaining());
        std::size_t n = std::min(wanted, pending().size());
        if (n > 0) {
          std::memcpy(into.data(), pending().data(), n);
          at_ += n;
        } else {
          // Large chunks bypass the framing buffer.
          n = co_await inner_.read_some(into.first(wanted));
          // A source that ends inside of a chunk.
          if (n == 0) decoder_->end();  // throws: content is missing
        }
        decoder_->content({reinterpret_cast<const char*>(into.data()), n});
        co_return n;
      }
      if (pending().empty() && !co_await more()) {
        decoder_->end();
        break;
      }
      const std::size_t used = decoder_->frame(pending());
      at_ += used;
    }
    // The connection must be at the end of this body, or the rest would be read as the next request.
    if (!pending().empty() || co_await more())
      throw ServiceError(Code::kInvalidRequest, "The aws-chunked body goes on after its last chunk");
    co_return 0;
  }

  std::string_view pending() const noexcept { return std::string_view(buffer_).substr(at_, filled_ - at_); }
  http::asio::awaitable<bool> more() {
    buffer_.resize(kFramingRead);
    filled_ = co_await inner_.read_some(std::as_writable_bytes(std::span(buffer_)));
    at_ = 0;
    co_return filled_ > 0;
  }

  std::string wrong_length() const {
    return "The body has " + std::string(seen_ > *announced_ ? "more than" : std::to_string(seen_) + " of") + " the " +
           std::to_string(*announced_) + " bytes that the request announced";
  }

  void finish() {
    ended_ = true;
    if (announced_ && seen_ != *announced_) throw ServiceError(Code::kIncompleteBody, wrong_length());
    for (Check& check : checks_) {
      // A trailer's value is known only now; its hasher has run since the first byte.
      if (check.from_trailer) {
        const auto value = decoder_->trailers().get(check.named->header);
        if (!value)
          throw ServiceError(Code::kInvalidRequest,
                             "The trailer " + std::string(check.named->header) + " was announced and did not come");
        check.expected = raw_checksum(*check.named, *value);
      }
      const std::string actual = check.hasher.finish();
      if (actual != check.expected) mismatch(check, actual);
    }
    if (!decoder_ || headers_ == nullptr) return;
    // Trailing checksums become headers, so that the service stores them like leading ones.
    for (const auto [name, value] : decoder_->trailers())
      if (name.starts_with("x-amz-checksum-") && !headers_->has(name)) headers_->add(name, value);
  }

  http::BodySource& inner_;
  std::vector<Check> checks_;
  std::optional<std::uint64_t> announced_;
  std::optional<AwsChunkedDecoder> decoder_;
  std::string buffer_;
  std::size_t at_ = 0, filled_ = 0;
  std::uint64_t seen_ = 0;
  bool ended_ = false;
};

/// CompleteMultipartUpload: its x-amz-checksum-* are those of the object that comes of it, not of the XML in its body.
bool completes_upload(const http::Request& request) {
  if (request.method != "POST") return false;
  for (const std::string_view parameter : split(request.query(), '&'))
    if (parameter.starts_with("uploadId=")) return true;
  return false;
}

// Every digest that the client states is checked, not only the strongest: each mismatch has an error of its own.
void check_header_digests(const http::Request& request, std::vector<Check>& checks) {
  const http::Headers& headers = request.headers;
  if (const auto md5 = headers.get("Content-MD5")) {
    auto raw = from_base64(trimmed(*md5));
    if (!raw || raw->size() != 16) throw ServiceError(Code::kInvalidDigest);
    checks.push_back({Hasher(Digest::kMd5), std::move(*raw), nullptr});
  }
  if (completes_upload(request)) return;
  for (const ChecksumName& checksum : kChecksums)
    if (const auto value = headers.get(checksum.header))
      checks.push_back({Hasher(checksum.digest), raw_checksum(checksum, *value), &checksum});
}

void strip_aws_chunked(http::Headers& headers) {
  const auto coding = headers.get("Content-Encoding");
  if (!coding) return;
  std::string kept;
  for (const std::string_view part : split(*coding, ',')) {
    if (http::equal_ignoring_case(trimmed(part), "aws-chunked") || trimmed(part).empty()) continue;
    // What remains is the object's own Content-Encoding, which is stored with it.
    kept.append(kept.empty() ? "" : ",").append(trimmed(part));
  }
  if (kept.empty()) {
    headers.erase("Content-Encoding");
  } else {
    headers.set("Content-Encoding", kept);
  }
}

std::optional<std::uint64_t> decoded_length(const http::Headers& headers) {
  const auto text = headers.get("x-amz-decoded-content-length");
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (ec != std::errc() || end != text->data() + text->size())
    throw ServiceError(Code::kInvalidArgument, "x-amz-decoded-content-length is not a number");
  return value;
}

}  // namespace

std::unique_ptr<CheckedBody> decoded_body(http::Request& request, std::optional<AwsChunkedForm> form) {
  std::vector<Check> checks;
  check_header_digests(request, checks);
  std::optional<std::uint64_t> announced = request.body.size();
  if (form) {
    // Only announced trailers are expected; hashing every algorithm just in case would cost CPU for each upload.
    for (const std::string_view trailer : split(request.headers.value_or("x-amz-trailer", ""), ','))
      for (const ChecksumName& checksum : kChecksums)
        if (http::equal_ignoring_case(trimmed(trailer), checksum.header) && form->has_trailer)
          checks.push_back({Hasher(checksum.digest), {}, &checksum, false, true});
    announced = decoded_length(request.headers);
    strip_aws_chunked(request.headers);
  } else if (const auto hash = request.headers.get("x-amz-content-sha256")) {
    // UNSIGNED-PAYLOAD and the like are no digests and are skipped here; the signature covers the word itself.
    auto raw = hash->size() == 64 ? from_hex(*hash) : std::nullopt;
    if (raw) checks.push_back({Hasher(Digest::kSha256), std::move(*raw), nullptr, true});
  }
  if (checks.empty() && !form) return nullptr;
  return std::make_unique<DecodedBody>(request, std::move(form), std::move(checks), announced);
}

}  // namespace clary::aws
