// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "platform/aws/services.h"
#include "platform/services/s3/bodies.h"
#include "platform/services/s3/documents.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

namespace {

/// The form of a region's name ("ap-southeast-2", "us-gov-west-1"): new ones appear each year, so there is no list.
bool is_region(std::string_view name) {
  const auto letters = [](std::string_view part, std::size_t least, std::size_t most) {
    return part.size() >= least && part.size() <= most &&
           std::all_of(part.begin(), part.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  };
  const std::vector<std::string_view> parts = split(name, '-');
  if (parts.size() < 3 || parts.size() > 4 || !letters(parts.front(), 2, 2)) return false;
  const std::string_view number = parts.back();
  return number.size() == 1 && number[0] >= '1' && number[0] <= '9' &&
         std::all_of(parts.begin() + 1, parts.end() - 1, [&](std::string_view part) { return letters(part, 3, 12); });
}

constexpr std::string_view kDefaultRegion = "us-east-1";

}  // namespace

// S3's owner id is a 64-digit hash that is the same for all of an account's buckets.
void add_owner(Xml& xml, std::string_view element, const S3Request& in) {
  xml.open(element).element("ID", to_hex(sha256(in.caller.account))).element("DisplayName", in.caller.account).close();
}

Response list_buckets(S3Request& in, Context& context) {
  const std::string prefix(in.parameter("prefix").value_or(""));
  const auto token = token_text(in, "continuation-token");
  // One more than the page shows whether there is a next one. With a region filter all are read: at most 10,000 exist.
  const int limit = in.integer("max-buckets", 1, 10'000, 10'000);
  const auto region = in.parameter("bucket-region");
  auto found = context.store.buckets(prefix, token.value_or(""), region ? 10'000 : limit + 1);
  if (region) std::erase_if(found, [&](const auto& bucket) { return bucket.region != *region; });
  Xml xml("ListAllMyBucketsResult");
  add_owner(xml, "Owner", in);
  xml.open("Buckets");
  const auto shown = std::min(found.size(), static_cast<std::size_t>(limit));
  for (std::size_t i = 0; i < shown; ++i)
    xml.open("Bucket")
        .element("Name", found[i].name)
        .element("CreationDate", xml_time(found[i].created))
        .element("BucketRegion", found[i].region)
        .close();
  xml.close();
  // The token is the last name shown; names are unique and the walk is by name.
  if (found.size() > shown) xml.element("ContinuationToken", token_of(found[shown - 1].name));
  if (!prefix.empty()) xml.element("Prefix", prefix);
  return xml_response(xml);
}

Response create_bucket(S3Request& in, Context& context) {
  if (const auto acl = in.header("x-amz-acl"); acl && *acl != "private")
    not_implemented("Canned ACL '" + std::string(acl->substr(0, 40)) + "'");
  if (in.header("x-amz-bucket-object-lock-enabled").value_or("false") == "true") not_implemented("Object lock");
  const std::string ownership(in.header("x-amz-object-ownership").value_or(""));
  if (!ownership.empty() && ownership != "BucketOwnerEnforced" && ownership != "BucketOwnerPreferred" &&
      ownership != "ObjectWriter")
    fail_argument("x-amz-object-ownership", ownership, "Invalid x-amz-object-ownership header");
  std::string region = parsed_body(parse_location_constraint, in);
  // "EU" is the name from before regions had names.
  if (region == "EU") region = "eu-west-1";
  if (!region.empty() && !is_region(region)) fail(Code::kInvalidLocationConstraint);
  const bool plain = region.empty();
  if (plain) region = kDefaultRegion;
  Response out;
  out.headers.set("Location", "/" + in.bucket);
  // us-east-1 answers 200 to the owner who creates a bucket again; other regions BucketAlreadyOwnedByYou.
  const auto present = context.store.bucket(in.bucket);
  if (plain && present && present->region == kDefaultRegion) return out;
  context.store.create_bucket(in.bucket, region);
  if (!ownership.empty())
    context.store.set_bucket_document(in.bucket, "ownershipControls",
                                      R"(<OwnershipControls xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>)"
                                      "<ObjectOwnership>" +
                                          ownership + "</ObjectOwnership></Rule></OwnershipControls>");
  return out;
}

Response head_bucket(S3Request& in, Context& context) {
  Response out;
  // check_bucket() has answered 404 before when the bucket does not exist.
  if (const auto bucket = context.store.bucket(in.bucket)) out.headers.set("x-amz-bucket-region", bucket->region);
  out.headers.set("x-amz-access-point-alias", "false");
  out.headers.set("Content-Type", "application/xml");
  return out;
}

Response delete_bucket(S3Request& in, Context& context) {
  context.store.remove_bucket(in.bucket);
  Response out;
  out.status = 204;
  return out;
}

Response get_bucket_location(S3Request& in, Context& context) {
  const auto bucket = context.store.bucket(in.bucket);
  if (!bucket) fail(Code::kNoSuchBucket, {}, {{"BucketName", in.bucket}});
  Xml xml("LocationConstraint");
  // S3 writes an empty element for us-east-1.
  if (bucket->region != kDefaultRegion) xml.text(bucket->region);
  return xml_response(xml);
}

}  // namespace clary::s3
