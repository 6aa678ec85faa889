// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/conditions.h"
#include "platform/services/s3/digests.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/metadata.h"
#include "platform/services/s3/operations.h"

namespace clary::s3 {

namespace {

/// The bytes that the request asks for, with the status and headers that say so.
ByteRange select_bytes(const S3Request& in, const objects::ObjectInfo& object, Response& out) {
  const auto partial = [&](ByteRange range) {
    out.status = 206;
    const std::uint64_t last = range.length == 0 ? range.offset : range.offset + range.length - 1;
    out.headers.set("Content-Range", "bytes " + std::to_string(range.offset) + "-" + std::to_string(last) + "/" +
                                         std::to_string(object.size));
    return range;
  };
  // A part of a multipart object by its number; an object that was put whole has one part.
  if (in.parameter("partNumber")) {
    const auto number = static_cast<std::size_t>(part_number(in));
    const std::size_t count = object.parts.is_array() ? object.parts.size() : 1;
    if (number > count) fail(Code::kInvalidPart, "The requested part number is not satisfiable");
    if (!object.parts.is_array()) return partial({0, object.size});
    ByteRange range;
    for (std::size_t i = 0; i < number; ++i) {
      // Offsets are sums of the parts' sizes in the order of completion.
      range.offset += range.length;
      range.length = object.parts.at(i).at("Size").get<std::uint64_t>();
    }
    out.headers.set("x-amz-mp-parts-count", std::to_string(count));
    return partial(range);
  }
  const auto header = in.header("Range");
  if (!header) return {0, object.size};
  // If-Range: if the object has changed since, the whole of it is sent instead of a part that does not fit the
  // client's.
  if (const auto only_if = in.header("If-Range"))
    // The date must be equal, not later: it identifies a version (RFC 9110 section 13.1.5).
    if (!etag_matches(*only_if, object.etag) && *only_if != http_date(object.last_modified)) return {0, object.size};
  const auto range = parse_range(*header, object.size);
  return range ? partial(*range) : ByteRange{0, object.size};
}

/// The checksum of what is sent: of the part that was asked for by its number, or of the whole object. A range has
/// none.
void add_checksum_of(const S3Request& in, const objects::ObjectInfo& object, const ByteRange& range, Response& out) {
  if (in.parameter("partNumber") && object.parts.is_array()) {
    const Json& part = object.parts.at(static_cast<std::size_t>(part_number(in)) - 1);
    const std::string checksum = part.value("Checksum", "");
    if (checksum.empty() || object.checksum_algorithm.empty()) return;
    out.headers.set(checksum_header(object.checksum_algorithm), checksum);
    out.headers.set("x-amz-checksum-type", object.checksum_type);
  } else if (range.length == object.size) {
    add_checksum(out.headers, object);
  }
}

/// Everything but the body. @return the bytes to send; nothing when the answer is 304
std::optional<ByteRange> answer(const S3Request& in, const objects::ObjectInfo& object, Response& out) {
  switch (check_conditions(in.http.headers, kRequestConditions, object)) {
    case Verdict::kFailed:
      fail(Code::kPreconditionFailed, {}, {{"Condition", in.header("If-Match") ? "If-Match" : "If-Unmodified-Since"}});
    case Verdict::kNotModified:
      out.status = 304;
      out.headers.set("ETag", in_quotes(object.etag));
      out.headers.set("Last-Modified", http_date(object.last_modified));
      return std::nullopt;
    case Verdict::kGoOn:
      break;
  }
  const ByteRange range = select_bytes(in, object, out);
  add_object_headers(out.headers, in, object);
  if (in.header("x-amz-checksum-mode").value_or("") == "ENABLED") add_checksum_of(in, object, range, out);
  if (object.tag_count > 0) out.headers.set("x-amz-tagging-count", std::to_string(object.tag_count));
  return range;
}

}  // namespace

void check_version(std::string_view version) {
  if (!version.empty() && version != "null")
    fail(Code::kNoSuchVersion, {}, {{"VersionId", std::string(version.substr(0, 100))}});
}

Response get_object(S3Request& in, Context& context) {
  check_version(in.parameter("versionId").value_or(""));
  auto open = context.store.open(in.bucket, in.key);
  if (!open) fail(Code::kNoSuchKey, {}, {{"Key", in.key}});
  Response out;
  // The body is the open file: it is sent by sendfile() after this function has returned, and no later change of the
  // key affects it.
  if (const auto range = answer(in, open->object, out))
    out.body = http::FileBody{std::move(open->fd), range->offset, range->length};
  return out;
}

Response head_object(S3Request& in, Context& context) {
  check_version(in.parameter("versionId").value_or(""));
  const auto object = context.store.head(in.bucket, in.key);
  if (!object) fail(Code::kNoSuchKey, {}, {{"Key", in.key}});
  Response out;
  // HEAD's length is that of GET's body; there is none here to derive it from.
  if (const auto range = answer(in, *object, out)) out.headers.set("Content-Length", std::to_string(range->length));
  return out;
}

}  // namespace clary::s3
