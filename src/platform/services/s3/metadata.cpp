// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/metadata.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "platform/services/s3/digests.h"
#include "platform/services/s3/documents.h"
#include "platform/services/s3/errors.h"

namespace clary::s3 {

namespace {

constexpr std::size_t kMaxMetadataBytes = 2048;  // AWS limit
constexpr std::string_view kMetaPrefix = "x-amz-meta-";

// Stored as they came and shown again.
constexpr auto kStored = std::to_array<std::string_view>({
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
});

// Refused because their absence would be noticed too late: encryption, retention and access that the client relies on.
// A request with one of these asks for something that would silently not happen.
constexpr auto kRefused = std::to_array<std::string_view>({
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-grant-read",
    "x-amz-grant-write",
    "x-amz-grant-read-acp",
    "x-amz-grant-write-acp",
    "x-amz-grant-full-control",
    "x-amz-write-offset-bytes",
});

constexpr auto kStorageClasses = std::to_array<std::string_view>(
    {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "GLACIER_IR",
     "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"});

constexpr auto kAcls =
    std::to_array<std::string_view>({"private", "bucket-owner-full-control", "bucket-owner-read", "aws-exec-read"});

// response-<name> parameters and the headers they override.
constexpr auto kOverrides = std::to_array<std::string_view>(
    {"content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding"});

template <class Table>
bool contains(const Table& table, std::string_view value) {
  return std::find(table.begin(), table.end(), value) != table.end();
}

/// "gzip,aws-chunked" was only "gzip".
/// The edge has decoded the framing; the stored object is not encoded by it.
std::string without_aws_chunked(std::string_view encodings) {
  std::string out;
  for (const auto part : split(encodings, ',')) {
    const auto name = trimmed(part);
    if (name.empty() || lower(name) == "aws-chunked") continue;
    if (!out.empty()) out += ",";
    out += name;
  }
  return out;
}

objects::Tags tags_of_header(std::string_view text) {
  objects::Tags tags;
  if (text.empty()) return tags;
  for (const auto part : split(text, '&')) {
    const auto equals = std::min(part.find('='), part.size());
    const auto name = percent_decoded(part.substr(0, equals), true);
    const auto value = percent_decoded(part.substr(std::min(equals + 1, part.size())), true);
    if (!name || !value) fail(Code::kInvalidTag, "The header x-amz-tagging is not URL-encoded.");
    tags.emplace_back(*name, *value);
  }
  check_tags(tags, kMaxObjectTags);
  return tags;
}

/// Objects are not encrypted on this server's disk; what a client asks for is kept and shown again, and must be
/// something that S3 could do (API reference, PutObject).
void check_encryption(const S3Request& in) {
  const auto method = in.header("x-amz-server-side-encryption");
  const bool kms = method && method->starts_with("aws:kms");
  if (method && *method != "AES256" && *method != "aws:kms" && *method != "aws:kms:dsse")
    fail_argument("x-amz-server-side-encryption", *method, "The encryption method specified is not supported");
  constexpr std::string_view kKey = "x-amz-server-side-encryption-aws-kms-key-id";
  if (const auto key = in.header(kKey); key && !kms)
    fail_argument(kKey, *key,
                  "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : "
                  "aws:kms");
}

// Repeated headers are joined, as S3 does; the limit counts names without the prefix and values.
void take_metadata(const http::Headers& headers, Json& out) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : headers) {
    const std::string key = lower(name);
    if (!key.starts_with(kMetaPrefix)) continue;
    bytes += key.size() - kMetaPrefix.size() + value.size();
    std::string text(value);
    // A JSON object has one value for a name.
    if (out.contains(key)) text = out[key].get<std::string>() + "," + text;
    out[key] = std::move(text);
  }
  if (bytes > kMaxMetadataBytes)
    fail(Code::kMetadataTooLarge, {},
         {{"Size", std::to_string(bytes)}, {"MaxSizeAllowed", std::to_string(kMaxMetadataBytes)}});
}

void refuse_what_is_missing(const S3Request& in) {
  for (const auto name : kRefused)
    if (in.header(name)) not_implemented("Header " + std::string(name));
  if (const auto acl = in.header("x-amz-acl"); acl && !contains(kAcls, *acl))
    not_implemented("Canned ACL '" + std::string(acl->substr(0, 40)) + "'");
}

}  // namespace

std::string in_quotes(std::string_view etag) { return '"' + std::string(etag) + '"'; }

void check_tags(const objects::Tags& tags, std::size_t limit) {
  // Limits are in characters, not bytes.
  const auto characters = [](std::string_view text) {
    return std::count_if(text.begin(), text.end(),
                         [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  };
  if (tags.size() > limit)
    fail(Code::kInvalidTag,
         "There are " + std::to_string(tags.size()) + " tags; at most " + std::to_string(limit) + " are allowed.");
  std::set<std::string_view> seen;
  for (const auto& [key, value] : tags) {
    if (key.empty() || characters(key) > 128)
      fail(Code::kInvalidTag, "The TagKey you have provided is invalid: it must have 1 to 128 characters.");
    if (characters(value) > 256)
      fail(Code::kInvalidTag, "The TagValue you have provided is invalid: it may have at most 256 characters.");
    if (!seen.insert(key).second) fail(Code::kInvalidTag, "Cannot provide multiple Tags with the same key");
  }
}

objects::PutOptions put_options(const S3Request& in) {
  refuse_what_is_missing(in);
  check_encryption(in);
  objects::PutOptions out;
  if (const auto type = in.header("Content-Type"); type && !type->empty()) out.content_type = *type;
  for (const auto name : kStored) {
    const auto value = in.header(name);
    if (!value) continue;
    std::string text = name == "content-encoding" ? without_aws_chunked(*value) : std::string(*value);
    // Content-Encoding of "aws-chunked" alone leaves nothing.
    if (!text.empty()) out.headers[std::string(name)] = std::move(text);
  }
  take_metadata(in.http.headers, out.headers);
  if (const auto storage_class = in.header("x-amz-storage-class")) {
    if (!contains(kStorageClasses, *storage_class))
      fail_argument("x-amz-storage-class", *storage_class, "The storage class you specified is not valid");
    out.storage_class = *storage_class;
  }
  if (const auto tagging = in.header("x-amz-tagging")) out.tags = tags_of_header(*tagging);
  return out;
}

// S3 supports If-None-Match: * on writes and no list of ETags.
// Decided in the store's transaction, not here.
void take_write_conditions(const S3Request& in, bool& if_absent, std::optional<std::string>& if_match) {
  if (const auto none = in.header("If-None-Match")) {
    if (trimmed(*none) != "*") not_implemented("If-None-Match with an ETag on a write");
    if_absent = true;
  }
  if (const auto match = in.header("If-Match")) if_match = std::string(without_quotes(*match));
}

void add_object_headers(http::Headers& out, const S3Request& in, const objects::ObjectInfo& object) {
  out.set("Content-Type", object.content_type);
  out.set("ETag", in_quotes(object.etag));
  out.set("Last-Modified", http_date(object.last_modified));
  out.set("Accept-Ranges", "bytes");
  for (const auto& [name, value] : object.headers.items())
    if (value.is_string()) out.set(name, value.get_ref<const std::string&>());
  if (object.storage_class != "STANDARD") out.set("x-amz-storage-class", object.storage_class);
  // Presigned links use these to name a download; an anonymous request could use them to forge headers.
  for (const auto name : kOverrides) {
    const auto value = in.parameter("response-" + std::string(name));
    if (!value) continue;
    if (in.anonymous())
      fail(Code::kInvalidRequest, "Request specific response headers cannot be used for anonymous GET requests.");
    out.set(name, *value);
  }
}

void add_checksum(http::Headers& out, const objects::ObjectInfo& object) {
  if (object.checksum.empty()) return;
  out.set(checksum_header(object.checksum_algorithm), object.checksum);
  out.set("x-amz-checksum-type", object.checksum_type);
}

void add_encryption(http::Headers& out, const Json& stored) {
  for (const auto& [name, value] : stored.items())
    if (name.starts_with("x-amz-server-side-encryption") && value.is_string())
      out.set(name, value.get_ref<const std::string&>());
}

}  // namespace clary::s3
