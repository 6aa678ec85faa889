// SPDX-License-Identifier: Apache-2.0
// A copy shares the source's blob; a part copy reads the range into a blob of its own.
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "platform/objects/checksum.h"
#include "platform/services/s3/conditions.h"
#include "platform/services/s3/digests.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/metadata.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

/// x-amz-copy-source: [/]bucket/key[?versionId=...], percent-encoded.
/// The version is cut off before decoding: an encoded '?' belongs to the key.
std::pair<std::string, std::string> copy_source(const S3Request& in) {
  std::string_view text = in.header("x-amz-copy-source").value_or("");
  const auto version_at = text.rfind("?versionId=");
  if (version_at != std::string_view::npos) {
    check_version(text.substr(version_at + 11));
    text = text.substr(0, version_at);
  }
  auto path = percent_decoded(text);
  if (path && path->starts_with('/')) path->erase(0, 1);
  const auto slash = path ? path->find('/') : std::string::npos;
  if (slash == std::string::npos || slash == 0 || slash + 1 == path->size() || !is_utf8(*path))
    fail_argument("x-amz-copy-source", text,
                  "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  return {path->substr(0, slash), path->substr(slash + 1)};
}

// The descriptor keeps the source's bytes, even if it is replaced while it is copied; store.copy() then refuses by its
// blob.
objects::OpenObject open_source(const S3Request& in, Context& context) {
  const auto [bucket, key] = copy_source(in);
  if (const auto owner = in.header("x-amz-source-expected-bucket-owner"); owner && *owner != in.caller.account)
    fail(Code::kAccessDenied);
  auto open = context.store.open(bucket, key);
  // Only to choose between the two errors.
  if (!open && !context.store.bucket(bucket)) fail(Code::kNoSuchBucket, {}, {{"BucketName", bucket}});
  if (!open) fail(Code::kNoSuchKey, {}, {{"Key", key}});
  if (check_conditions(in.http.headers, kCopySourceConditions, open->object) != Verdict::kGoOn)
    fail(Code::kPreconditionFailed);
  return std::move(*open);
}

/// Calls f with the file's bytes, in order.
template <class F>
void read_range(int fd, ByteRange range, F f) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kBufferBytes, range.length)));
  while (range.length > 0) {
    const ssize_t n = ::pread(fd, buffer.data(), std::min<std::uint64_t>(buffer.size(), range.length),
                              static_cast<off_t>(range.offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read an object's file");
    if (n == 0) throw Error(Kind::kInternal, "an object's file is shorter than the index says");
    f(std::span(buffer).first(static_cast<std::size_t>(n)));
    range.offset += static_cast<std::uint64_t>(n);
    range.length -= static_cast<std::uint64_t>(n);
  }
}

/// A directive header: COPY unless it says REPLACE.
/// Metadata and tags have a directive each.
bool replaces(const S3Request& in, std::string_view header) {
  const auto value = in.header(header).value_or("COPY");
  if (value != "COPY" && value != "REPLACE") fail_argument(header, value, "Unknown directive.");
  return value == "REPLACE";
}

/// The algorithm asked for by x-amz-checksum-algorithm replaces the source's checksum.
/// Reads the whole object, which a plain copy does not: only if another checksum was asked for.
void take_checksum(const S3Request& in, objects::ObjectInfo& object, int fd) {
  const auto name = in.header("x-amz-checksum-algorithm");
  const auto kind = name ? objects::checksum_named(*name) : std::nullopt;
  const bool known =
      lower(object.checksum_algorithm) == lower(name.value_or("")) && object.checksum_type == "FULL_OBJECT";
  if (!kind || known) return;
  Hasher hasher(*kind);
  // The descriptor pins the bytes: hash and copy are of the same object.
  read_range(fd, {0, object.size}, [&](std::span<const std::byte> bytes) { hasher.update(bytes); });
  object.checksum_algorithm = objects::checksum_name(*kind);
  object.checksum = to_base64(hasher.finish());
  object.checksum_type = "FULL_OBJECT";
}

/// Metadata of the copy: the request's, or the source's with the request's storage class and encryption.
objects::PutOptions copy_options(const S3Request& in, const objects::ObjectInfo& source, Context& context) {
  objects::PutOptions options = put_options(in);
  take_write_conditions(in, options.if_absent, options.if_match);
  if (!replaces(in, "x-amz-metadata-directive")) {
    Json headers = source.headers;
    for (const auto& [name, value] : options.headers.items())
      if (name.starts_with("x-amz-server-side-encryption") || name == "x-amz-website-redirect-location")
        headers[name] = value;
    options.headers = std::move(headers);
    options.content_type = source.content_type;
  }
  // Tags are rows of their own in the store; a plain copy takes them along.
  if (!replaces(in, "x-amz-tagging-directive")) options.tags = context.store.tags(source.bucket, source.key);
  return options;
}

// S3 refuses a copy onto itself that changes nothing, since it is nearly always a mistake.
bool changes_something(const S3Request& in) {
  for (const char* header : {"x-amz-storage-class", "x-amz-server-side-encryption", "x-amz-website-redirect-location",
                             "x-amz-checksum-algorithm"})
    if (in.header(header)) return true;
  return replaces(in, "x-amz-metadata-directive");
}

void add_checksum_element(Xml& xml, std::string_view algorithm, std::string_view value) {
  if (!value.empty()) xml.element("Checksum" + std::string(algorithm), value);
}

}  // namespace

Response copy_object(S3Request& in, Context& context) {
  auto source = open_source(in, context);
  if (source.object.size > objects::kMaxPutBytes)
    // AWS limit: larger objects are copied by parts.
    fail(Code::kInvalidRequest,
         "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
  if (source.object.bucket == in.bucket && source.object.key == in.key && !changes_something(in))
    fail(Code::kInvalidRequest,
         "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
         "metadata, storage class, website redirect location or encryption attributes.");
  const auto options = copy_options(in, source.object, context);
  take_checksum(in, source.object, source.fd.get());
  // store.copy() compares the blob in its transaction: if the source was replaced meanwhile, the copy fails.
  const auto object = context.store.copy(source.object, in.bucket, in.key, options);
  Xml xml("CopyObjectResult");
  xml.element("LastModified", xml_time(object.last_modified)).element("ETag", in_quotes(object.etag));
  add_checksum_element(xml, object.checksum_algorithm, object.checksum);
  Response out = xml_response(xml);
  add_encryption(out.headers, object.headers);
  return out;
}

Response upload_part_copy(S3Request& in, Context& context) {
  const int number = part_number(in);
  const std::string id(in.parameter("uploadId").value_or(""));
  // The upload is checked before the source is read, which may take long.
  const auto upload = context.store.multipart(in.bucket, in.key, id);
  const auto source = open_source(in, context);
  const auto header = in.header("x-amz-copy-source-range");
  const ByteRange range = header ? parse_copy_range(*header, source.object.size) : ByteRange{0, source.object.size};
  if (range.length > objects::kMaxPutBytes)
    fail(Code::kInvalidRequest, "A part can have at most 5368709120 bytes; give x-amz-copy-source-range.");
  objects::Upload copy = context.store.begin(objects::checksum_named(upload.checksum_algorithm));
  // Runs on a worker: a part may have 5 GiB.
  read_range(source.fd.get(), range, [&](std::span<const std::byte> bytes) { copy.write(bytes); });
  const auto part = copy.commit_part(in.bucket, in.key, id, number);
  Xml xml("CopyPartResult");
  xml.element("LastModified", xml_time(part.last_modified)).element("ETag", in_quotes(part.etag));
  add_checksum_element(xml, upload.checksum_algorithm, part.checksum);
  return xml_response(xml);
}

}  // namespace clary::s3
