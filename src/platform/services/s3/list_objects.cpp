// SPDX-License-Identifier: Apache-2.0
// ListObjects, ListObjectsV2 and ListObjectVersions: three wire forms of one walk over the index.
#include "base/text.h"
#include "platform/services/s3/bodies.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/metadata.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

namespace {

constexpr int kAnyNumber = 2'147'483'647;

struct Query {
  objects::ListQuery walk;
  bool url = false;
};

Query parse_query(const S3Request& in) {
  Query query;
  query.walk.prefix = in.parameter("prefix").value_or("");
  query.walk.delimiter = in.parameter("delimiter").value_or("");
  // Larger values are legal and mean 1,000.
  query.walk.max_keys = std::min(in.integer("max-keys", 0, kAnyNumber, objects::kMaxListKeys), objects::kMaxListKeys);
  query.url = wants_url_encoding(in);
  return query;
}

void add_common(Xml& xml, const S3Request& in, const Query& query, const objects::Listing& listing) {
  xml.element("Name", in.bucket).element("Prefix", encoded(query.walk.prefix, query.url));
  if (!query.walk.delimiter.empty()) xml.element("Delimiter", encoded(query.walk.delimiter, query.url));
  xml.element("MaxKeys", query.walk.max_keys);
  if (query.url) xml.element("EncodingType", "url");
  xml.flag("IsTruncated", listing.truncated);
}

void add_object(Xml& xml, const objects::ObjectInfo& object, bool url) {
  xml.element("Key", encoded(object.key, url))
      .element("LastModified", xml_time(object.last_modified))
      .element("ETag", in_quotes(object.etag));
  if (!object.checksum_algorithm.empty())
    xml.element("ChecksumAlgorithm", object.checksum_algorithm).element("ChecksumType", object.checksum_type);
  xml.element("Size", static_cast<std::int64_t>(object.size)).element("StorageClass", object.storage_class);
}

void add_contents(Xml& xml, const S3Request& in, const Query& query, const objects::Listing& listing, bool owner) {
  for (const auto& object : listing.objects) {
    xml.open("Contents");
    add_object(xml, object, query.url);
    if (owner) add_owner(xml, "Owner", in);
    xml.close();
  }
}

void add_prefixes(Xml& xml, const Query& query, const objects::Listing& listing) {
  for (const auto& prefix : listing.common_prefixes)
    xml.open("CommonPrefixes").element("Prefix", encoded(prefix, query.url)).close();
}

}  // namespace

bool wants_url_encoding(const S3Request& in) {
  const auto type = in.parameter("encoding-type");
  if (!type || type->empty()) return false;
  if (*type != "url") fail_argument("encoding-type", *type, "Invalid Encoding Method specified in Request");
  return true;
}

// Keys may hold characters that XML 1.0 cannot, hence encoding-type=url.
std::string encoded(std::string_view name, bool url) { return url ? percent_encoded(name, true) : std::string(name); }

Response list_objects_v1(S3Request& in, Context& context) {
  Query query = parse_query(in);
  query.walk.after = in.parameter("marker").value_or("");
  const auto listing = context.store.list(in.bucket, query.walk);
  Xml xml("ListBucketResult");
  add_common(xml, in, query, listing);
  xml.element("Marker", encoded(query.walk.after, query.url));
  // S3 gives NextMarker only with a delimiter; otherwise clients use the last key.
  if (listing.truncated && !query.walk.delimiter.empty()) xml.element("NextMarker", encoded(listing.next, query.url));
  add_contents(xml, in, query, listing, true);
  add_prefixes(xml, query, listing);
  return xml_response(xml);
}

Response list_objects_v2(S3Request& in, Context& context) {
  Query query = parse_query(in);
  const std::string start_after(in.parameter("start-after").value_or(""));
  // An empty token would start from the beginning again and again.
  if (const auto token = in.parameter("continuation-token"); token && token->empty())
    fail_argument("continuation-token", "", "The continuation token provided is incorrect");
  // The token wins over start-after, as S3 documents.
  query.walk.after = token_text(in, "continuation-token").value_or(start_after);
  const auto listing = context.store.list(in.bucket, query.walk);
  Xml xml("ListBucketResult");
  add_common(xml, in, query, listing);
  xml.element("KeyCount", static_cast<std::int64_t>(listing.objects.size() + listing.common_prefixes.size()));
  if (const auto token = in.parameter("continuation-token")) xml.element("ContinuationToken", *token);
  if (listing.truncated) xml.element("NextContinuationToken", token_of(listing.next));
  if (!start_after.empty()) xml.element("StartAfter", encoded(start_after, query.url));
  add_contents(xml, in, query, listing, in.parameter("fetch-owner") == "true");
  add_prefixes(xml, query, listing);
  return xml_response(xml);
}

// Without versioning each object has one version, "null", and it is the latest.
Response list_object_versions(S3Request& in, Context& context) {
  Query query = parse_query(in);
  query.walk.after = in.parameter("key-marker").value_or("");
  const auto listing = context.store.list(in.bucket, query.walk);
  Xml xml("ListVersionsResult");
  add_common(xml, in, query, listing);
  xml.element("KeyMarker", encoded(query.walk.after, query.url))
      .element("VersionIdMarker", in.parameter("version-id-marker").value_or(""));
  if (listing.truncated)
    xml.element("NextKeyMarker", encoded(listing.next, query.url)).element("NextVersionIdMarker", "null");
  for (const auto& object : listing.objects) {
    xml.open("Version");
    add_object(xml, object, query.url);
    xml.element("VersionId", "null").flag("IsLatest", true);
    add_owner(xml, "Owner", in);
    xml.close();
  }
  add_prefixes(xml, query, listing);
  return xml_response(xml);
}

}  // namespace clary::s3
