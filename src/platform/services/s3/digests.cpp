// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/digests.h"

#include "base/text.h"
#include "platform/objects/checksum.h"
#include "platform/services/s3/errors.h"

namespace clary::s3 {

namespace {

constexpr Digest kAlgorithms[] = {Digest::kCrc32, Digest::kCrc32c, Digest::kCrc64Nvme, Digest::kSha1, Digest::kSha256};

/// "-12" behind a composite checksum: the number of its parts.
std::string_view without_part_count(std::string_view value) {
  const auto dash = value.rfind('-');
  const bool counted = dash != std::string_view::npos && dash + 1 < value.size() &&
                       value.find_first_not_of("0123456789", dash + 1) == std::string_view::npos;
  return counted ? value.substr(0, dash) : value;
}

/// @param composite  the value may end in "-<parts>"
void take_headers(const S3Request& in, ExpectedDigests& out, bool composite = false) {
  for (const Digest kind : kAlgorithms) {
    const std::string name = checksum_header(objects::checksum_name(kind));
    const auto value = in.header(name);
    if (!value) continue;
    // S3 accepts one checksum a request; Content-MD5 may come in addition.
    if (out.checksum)
      fail(Code::kInvalidRequest,
           "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    // The length shows a value of another algorithm at once.
    const auto bytes = from_base64(composite ? without_part_count(*value) : *value);
    if (!bytes || bytes->size() != digest(kind, "").size())
      fail(Code::kInvalidRequest, "Value for " + name + " header is invalid.");
    out.algorithm = kind;
    out.checksum = std::string(*value);
  }
}

// The value comes in a trailer (the edge verifies it) or not at all; the algorithm is stored with the object in either
// case.
void take_announced(const S3Request& in, ExpectedDigests& out) {
  constexpr std::string_view kPrefix = "x-amz-checksum-";
  if (const auto trailer = in.header("x-amz-trailer"))
    for (const auto part : split(*trailer, ',')) {
      const std::string name = lower(trimmed(part));
      if (name.starts_with(kPrefix)) out.algorithm = objects::checksum_named(name.substr(kPrefix.size()));
    }
  if (const auto named = in.header("x-amz-sdk-checksum-algorithm"); named && !out.algorithm)
    out.algorithm = objects::checksum_named(*named);
}

void take_md5(const S3Request& in, ExpectedDigests& out) {
  const auto value = in.header("Content-MD5");
  if (!value) return;
  out.md5 = from_base64(*value);
  if (!out.md5 || out.md5->size() != 16) fail(Code::kInvalidDigest);
}

void compare(const std::string& md5, const std::string& checksum, const ExpectedDigests& expected) {
  if (expected.md5 && *expected.md5 != md5)
    fail(Code::kBadDigest, {}, {{"ExpectedDigest", to_base64(*expected.md5)}, {"CalculatedDigest", to_base64(md5)}});
  if (expected.checksum && *expected.checksum != to_base64(checksum))
    fail(Code::kBadDigest, "The " + std::string(objects::checksum_name(*expected.algorithm)) +
                               " you specified did not match the calculated checksum.");
}

}  // namespace

std::string checksum_header(std::string_view algorithm) { return "x-amz-checksum-" + lower(algorithm); }

ExpectedDigests expected_digests(const S3Request& in) {
  ExpectedDigests out;
  // Content-MD5 is checked even when a checksum is given.
  take_md5(in, out);
  take_headers(in, out);
  if (!out.checksum) take_announced(in, out);
  return out;
}

ExpectedDigests document_digests(const S3Request& in) {
  if (in.http.method != "POST" || !in.parameter("uploadId")) return expected_digests(in);
  ExpectedDigests out;
  take_md5(in, out);
  return out;
}

std::optional<std::string> completed_checksum(const S3Request& in) {
  ExpectedDigests out;
  take_headers(in, out, /*composite=*/true);
  return out.checksum;
}

// After the last write: both digests are final. A mismatch drops the Upload, and with it the file.
void verify(objects::Upload& upload, const ExpectedDigests& expected) {
  compare(upload.md5(), upload.checksum(), expected);
}

void verify(std::string_view body, const ExpectedDigests& expected) {
  compare(expected.md5 ? digest(Digest::kMd5, body) : std::string(),
          expected.checksum ? digest(*expected.algorithm, body) : std::string(), expected);
}

}  // namespace clary::s3
