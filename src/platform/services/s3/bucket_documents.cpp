// SPDX-License-Identifier: Apache-2.0
// The sub-resources of a bucket that describe features: what is never set answers AWS's own "not set" error, what is
// harmless is kept and shown again.
#include <algorithm>
#include <array>

#include "platform/services/s3/bodies.h"
#include "platform/services/s3/documents.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/routes.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

namespace {

struct Missing {
  std::string_view parameter;
  Code code;
};

constexpr auto kMissing = std::to_array<Missing>({
    {"policy", Code::kNoSuchBucketPolicy},
    {"policyStatus", Code::kNoSuchBucketPolicy},
    {"cors", Code::kNoSuchCORSConfiguration},
    {"lifecycle", Code::kNoSuchLifecycleConfiguration},
    {"website", Code::kNoSuchWebsiteConfiguration},
    {"replication", Code::kReplicationConfigurationNotFoundError},
    {"object-lock", Code::kObjectLockConfigurationNotFoundError},
    {"publicAccessBlock", Code::kNoSuchPublicAccessBlockConfiguration},
    {"ownershipControls", Code::kOwnershipControlsNotFoundError},
});

struct Empty {
  std::string_view parameter;
  std::string_view root;
};

constexpr auto kEmpty = std::to_array<Empty>({
    {"notification", "NotificationConfiguration"},
    {"logging", "BucketLoggingStatus"},
    {"accelerate", "AccelerateConfiguration"},
    {"requestPayment", "RequestPaymentConfiguration"},
});

// Kept as they came: nothing on this server is public and every object belongs to its one account, so both of these
// already hold.
constexpr auto kKept = std::to_array<Empty>({
    {"publicAccessBlock", "PublicAccessBlockConfiguration"},
    {"ownershipControls", "OwnershipControls"},
});

struct Default {
  std::string_view parameter;
  std::string_view text;
};

// What every bucket has since 2023 until it is changed: AWS, "Default encryption FAQ", "Default settings for new S3
// buckets FAQ".
constexpr auto kDefaults = std::to_array<Default>({
    {"encryption",
     R"(<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>)"
     R"(<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>)"
     R"(<BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>)"},
    {"publicAccessBlock",
     R"(<PublicAccessBlockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)"
     R"(<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>)"
     R"(<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>)"
     R"(</PublicAccessBlockConfiguration>)"},
    {"ownershipControls", R"(<OwnershipControls xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>)"
                          R"(<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>)"},
});

// The route found the operation by its query parameter, which is the key of these tables too; one handler serves
// several operations.
template <class Table>
const auto& row_of(const Table& table, const S3Request& in) {
  const std::string_view parameter = find_route(in).query;
  return *std::find_if(table.begin(), table.end(), [&](const auto& row) { return row.parameter == parameter; });
}

}  // namespace

Response get_bucket_versioning(S3Request&, Context&) {
  // Never enabled: an empty document.
  Xml xml("VersioningConfiguration");
  return xml_response(xml);
}

Response get_empty_document(S3Request& in, Context&) {
  const auto& row = row_of(kEmpty, in);
  Xml xml(row.root);
  if (row.parameter == "requestPayment") xml.element("Payer", "BucketOwner");
  return xml_response(xml);
}

Response get_missing_document(S3Request& in, Context&) {
  fail(row_of(kMissing, in).code, {}, {{"BucketName", in.bucket}});
}

Response get_bucket_document(S3Request& in, Context& context) {
  const Default& standard = row_of(kDefaults, in);
  std::string text = context.store.bucket_document(in.bucket, standard.parameter).value_or(std::string(standard.text));
  // Empty: deleted, which is not the same as never set.
  if (text.empty()) fail(row_of(kMissing, in).code, {}, {{"BucketName", in.bucket}});
  Response out;
  out.headers.set("Content-Type", "application/xml");
  out.body = std::move(text);
  return out;
}

Response put_bucket_document(S3Request& in, Context& context) {
  const auto& row = row_of(kKept, in);
  // Checked as XML with the expected root, then stored as it came.
  parsed_body([&](std::string_view text) { check_document(text, row.root); }, in);
  context.store.set_bucket_document(in.bucket, row.parameter, in.body);
  return {};
}

Response delete_bucket_document(S3Request& in, Context& context) {
  // Encryption goes back to its default, the others are then not set.
  const std::string_view parameter = find_route(in).query;
  const bool kept =
      std::any_of(kKept.begin(), kKept.end(), [&](const auto& row) { return row.parameter == parameter; });
  context.store.set_bucket_document(in.bucket, parameter, kept ? std::optional<std::string>("") : std::nullopt);
  Response out;
  out.status = 204;
  return out;
}

}  // namespace clary::s3
