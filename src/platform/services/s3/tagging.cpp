// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/bodies.h"
#include "platform/services/s3/documents.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/metadata.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

namespace {

constexpr std::string_view kDocument = "tagging";

Response no_content() {
  Response out;
  out.status = 204;
  return out;
}

std::string tag_document(const objects::Tags& tags) {
  Xml xml("Tagging");
  xml.open("TagSet");
  for (const auto& [key, value] : tags) xml.open("Tag").element("Key", key).element("Value", value).close();
  return xml.finish();
}

Response document(std::string text) {
  Response out;
  out.headers.set("Content-Type", "application/xml");
  out.body = std::move(text);
  return out;
}

}  // namespace

Response get_bucket_tagging(S3Request& in, Context& context) {
  auto text = context.store.bucket_document(in.bucket, kDocument);
  if (!text) fail(Code::kNoSuchTagSet, {}, {{"BucketName", in.bucket}});
  return document(std::move(*text));
}

Response put_bucket_tagging(S3Request& in, Context& context) {
  const auto tags = parsed_body(parse_tagging, in);
  check_tags(tags, kMaxBucketTags);
  // Stored as the document that GET answers.
  context.store.set_bucket_document(in.bucket, kDocument, tag_document(tags));
  return no_content();
}

Response delete_bucket_tagging(S3Request& in, Context& context) {
  context.store.set_bucket_document(in.bucket, kDocument, std::nullopt);
  return no_content();
}

Response get_object_tagging(S3Request& in, Context& context) {
  check_version(in.parameter("versionId").value_or(""));
  return document(tag_document(context.store.tags(in.bucket, in.key)));
}

Response put_object_tagging(S3Request& in, Context& context) {
  check_version(in.parameter("versionId").value_or(""));
  const auto tags = parsed_body(parse_tagging, in);
  check_tags(tags, kMaxObjectTags);
  context.store.set_tags(in.bucket, in.key, tags);
  return {};
}

Response delete_object_tagging(S3Request& in, Context& context) {
  check_version(in.parameter("versionId").value_or(""));
  context.store.set_tags(in.bucket, in.key, {});
  return no_content();
}

}  // namespace clary::s3
