// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.h"
#include "platform/objects/checksum.h"
#include "platform/services/s3/bodies.h"
#include "platform/services/s3/digests.h"
#include "platform/services/s3/documents.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/metadata.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

namespace {

constexpr int kMaxLines = 1000;  // AWS limit of ListParts and ListMultipartUploads

struct UploadChecksum {
  std::string algorithm;  // S3's spelling, or empty
  std::string type;
};

/// x-amz-checksum-algorithm and -type with S3's defaults: CRC64NVME is of the full object, others composite.
/// AWS: "Checking object integrity": CRC64NVME exists as full object only, SHA-1 and SHA-256 as composite only.
UploadChecksum upload_checksum(const S3Request& in) {
  const auto name = in.header("x-amz-checksum-algorithm");
  const auto kind = name ? objects::checksum_named(*name) : std::nullopt;
  const auto type = in.header("x-amz-checksum-type");
  if (type && *type != "COMPOSITE" && *type != "FULL_OBJECT")
    fail_argument("x-amz-checksum-type", *type, "The checksum type must be COMPOSITE or FULL_OBJECT");
  if (!kind) return {};  // none, or one that is not implemented: the object has no checksum then
  const bool composite_only = !objects::can_be_full_object(*kind);
  const std::string chosen(type.value_or(*kind == Digest::kCrc64Nvme ? "FULL_OBJECT" : "COMPOSITE"));
  if ((composite_only && chosen == "FULL_OBJECT") || (*kind == Digest::kCrc64Nvme && chosen == "COMPOSITE"))
    fail(Code::kInvalidRequest, "The " + chosen + " checksum type cannot be used with the " +
                                    lower(objects::checksum_name(*kind)) + " checksum algorithm.");
  return {std::string(objects::checksum_name(*kind)), chosen};
}

void add_checksum_names(Xml& xml, const objects::MultipartInfo& upload) {
  if (upload.checksum_algorithm.empty()) return;
  xml.element("ChecksumAlgorithm", upload.checksum_algorithm).element("ChecksumType", upload.checksum_type);
}

std::string location_of(const S3Request& in) {
  return (in.http.tls ? "https://" : "http://") + in.caller.host + "/" + percent_encoded(in.bucket) + "/" +
         percent_encoded(in.key, true);
}

objects::CompleteOptions complete_options(const S3Request& in) {
  objects::CompleteOptions options;
  take_write_conditions(in, options.if_absent, options.if_match);
  options.checksum = completed_checksum(in);
  if (const auto size = in.header("x-amz-mp-object-size")) {
    // 15 digits: no overflow in stoull().
    if (size->empty() || size->size() > 15 || size->find_first_not_of("0123456789") != std::string_view::npos)
      fail_argument("x-amz-mp-object-size", *size, "The object size must be a number of bytes");
    options.size = std::stoull(std::string(*size));
  }
  return options;
}

}  // namespace

Response create_multipart_upload(S3Request& in, Context& context) {
  const auto options = put_options(in);
  const UploadChecksum checksum = upload_checksum(in);
  const auto upload = context.store.create_multipart(in.bucket, in.key, options, checksum.algorithm, checksum.type);
  Xml xml("InitiateMultipartUploadResult");
  xml.element("Bucket", in.bucket).element("Key", in.key).element("UploadId", upload.id);
  Response out = xml_response(xml);
  if (!checksum.algorithm.empty()) {
    out.headers.set("x-amz-checksum-algorithm", checksum.algorithm);
    out.headers.set("x-amz-checksum-type", checksum.type);
  }
  add_encryption(out.headers, options.headers);
  return out;
}

Response complete_multipart_upload(S3Request& in, Context& context) {
  const auto list = parsed_body(parse_complete_multipart, in);
  const auto object = context.store.complete_multipart(in.bucket, in.key, in.parameter("uploadId").value_or(""), list,
                                                       complete_options(in));
  Xml xml("CompleteMultipartUploadResult");
  xml.element("Location", location_of(in))
      .element("Bucket", in.bucket)
      .element("Key", in.key)
      .element("ETag", in_quotes(object.etag));
  if (!object.checksum.empty())
    xml.element("Checksum" + object.checksum_algorithm, object.checksum).element("ChecksumType", object.checksum_type);
  Response out = xml_response(xml);
  add_encryption(out.headers, object.headers);
  return out;
}

Response abort_multipart_upload(S3Request& in, Context& context) {
  context.store.abort_multipart(in.bucket, in.key, in.parameter("uploadId").value_or(""));
  Response out;
  out.status = 204;
  return out;
}

Response list_parts(S3Request& in, Context& context) {
  const std::string id(in.parameter("uploadId").value_or(""));
  const int limit = std::min(in.integer("max-parts", 0, 2'147'483'647, kMaxLines), kMaxLines);
  const int marker = in.integer("part-number-marker", 0, 2'147'483'647, 0);
  const auto upload = context.store.multipart(in.bucket, in.key, id);
  // One more than the page: whether there is a next one.
  auto parts = context.store.parts(in.bucket, in.key, id, marker, limit + 1);
  const bool truncated = limit > 0 && static_cast<int>(parts.size()) > limit;
  if (static_cast<int>(parts.size()) > limit) parts.resize(static_cast<std::size_t>(limit));
  Xml xml("ListPartsResult");
  xml.element("Bucket", in.bucket).element("Key", in.key).element("UploadId", id);
  add_owner(xml, "Initiator", in);
  add_owner(xml, "Owner", in);
  xml.element("StorageClass", upload.storage_class).element("PartNumberMarker", marker);
  if (truncated) xml.element("NextPartNumberMarker", parts.back().number);
  xml.element("MaxParts", limit).flag("IsTruncated", truncated);
  add_checksum_names(xml, upload);
  for (const auto& part : parts) {
    xml.open("Part")
        .element("PartNumber", part.number)
        .element("LastModified", xml_time(part.last_modified))
        .element("ETag", in_quotes(part.etag))
        .element("Size", static_cast<std::int64_t>(part.size));
    if (!part.checksum.empty() && !upload.checksum_algorithm.empty())
      xml.element("Checksum" + upload.checksum_algorithm, part.checksum);
    xml.close();
  }
  return xml_response(xml);
}

namespace {

/// A page of uploads: those listed, the prefixes that hide others, and where the next page begins.
struct UploadPage {
  std::vector<objects::MultipartInfo> uploads;
  std::vector<std::string> prefixes;
  bool truncated = false;
  std::string next_key, next_id;
};

// Uploads are walked in batches and folded into common prefixes here, because there are few of them; objects use the
// index (objects/listing.cpp).
UploadPage upload_page(const S3Request& in, Context& context, int limit) {
  constexpr int kBatch = 1000;
  const std::string prefix(in.parameter("prefix").value_or("")), delimiter(in.parameter("delimiter").value_or(""));
  UploadPage page;
  std::string key(in.parameter("key-marker").value_or("")), id(in.parameter("upload-id-marker").value_or(""));
  // "\xFF" is above every id. Without upload-id-marker S3 skips all uploads of key-marker.
  if (!key.empty() && id.empty()) id = "\xFF";  // the key's uploads are all behind the marker
  const std::string marker = key;
  for (;;) {
    const auto batch = context.store.multiparts(in.bucket, prefix, key, id, kBatch);
    for (const auto& upload : batch) {
      key = upload.key;
      id = upload.id;
      const auto at = delimiter.empty() ? std::string::npos : upload.key.find(delimiter, prefix.size());
      const std::string hidden = at == std::string::npos ? "" : upload.key.substr(0, at + delimiter.size());
      // The prefix that the marker names was listed on the page before.
      if (!hidden.empty() && (hidden == marker || (!page.prefixes.empty() && page.prefixes.back() == hidden))) continue;
      if (static_cast<int>(page.uploads.size() + page.prefixes.size()) == limit) {
        page.truncated = limit > 0;
        return page;
      }
      // The next page begins behind the last line that was listed.
      page.next_key = hidden.empty() ? upload.key : hidden;
      page.next_id = hidden.empty() ? upload.id : "";
      if (hidden.empty())
        page.uploads.push_back(upload);
      else
        page.prefixes.push_back(hidden);
    }
    if (batch.size() < kBatch) return page;
  }
}

}  // namespace

Response list_multipart_uploads(S3Request& in, Context& context) {
  const int limit = std::min(in.integer("max-uploads", 0, 2'147'483'647, kMaxLines), kMaxLines);
  const bool url = wants_url_encoding(in);
  const UploadPage page = upload_page(in, context, limit);
  Xml xml("ListMultipartUploadsResult");
  xml.element("Bucket", in.bucket)
      .element("KeyMarker", encoded(in.parameter("key-marker").value_or(""), url))
      .element("UploadIdMarker", in.parameter("upload-id-marker").value_or(""));
  if (page.truncated)
    xml.element("NextKeyMarker", encoded(page.next_key, url)).element("NextUploadIdMarker", page.next_id);
  xml.element("Prefix", encoded(in.parameter("prefix").value_or(""), url));
  if (const auto delimiter = in.parameter("delimiter")) xml.element("Delimiter", encoded(*delimiter, url));
  if (url) xml.element("EncodingType", "url");
  xml.element("MaxUploads", limit).flag("IsTruncated", page.truncated);
  for (const auto& upload : page.uploads) {
    xml.open("Upload").element("Key", encoded(upload.key, url)).element("UploadId", upload.id);
    add_owner(xml, "Initiator", in);
    add_owner(xml, "Owner", in);
    xml.element("StorageClass", upload.storage_class).element("Initiated", xml_time(upload.created));
    add_checksum_names(xml, upload);
    xml.close();
  }
  for (const auto& prefix : page.prefixes) xml.open("CommonPrefixes").element("Prefix", encoded(prefix, url)).close();
  return xml_response(xml);
}

}  // namespace clary::s3
