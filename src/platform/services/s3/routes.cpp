// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/routes.h"

#include <array>

#include "base/text.h"
#include "platform/services/s3/errors.h"

namespace clary::s3 {

namespace {

constexpr Shape kService = Shape::kService, kBucket = Shape::kBucket, kObject = Shape::kObject;
constexpr std::string_view kCopySource = "x-amz-copy-source";

// A known operation that this server does not have: it answers NotImplemented and its name.
constexpr Route missing(std::string_view name, std::string_view method, Shape shape, std::string_view query,
                        std::string_view header = {}) {
  return {name, method, shape, query, header, not_implemented_operation, nullptr};
}

constexpr Route kRoutes[] = {
    {"ListBuckets", "GET", kService, "", "", list_buckets},

    {"CreateBucket", "PUT", kBucket, "", "", create_bucket},
    {"HeadBucket", "HEAD", kBucket, "", "", head_bucket},
    {"DeleteBucket", "DELETE", kBucket, "", "", delete_bucket},
    {"GetBucketLocation", "GET", kBucket, "location", "", get_bucket_location},
    {"ListObjects", "GET", kBucket, "", "", list_objects_v1},
    {"ListObjectsV2", "GET", kBucket, "list-type=2", "", list_objects_v2},
    {"ListObjectVersions", "GET", kBucket, "versions", "", list_object_versions},
    {"ListMultipartUploads", "GET", kBucket, "uploads", "", list_multipart_uploads},
    {"DeleteObjects", "POST", kBucket, "delete", "", delete_objects},
    {"GetBucketTagging", "GET", kBucket, "tagging", "", get_bucket_tagging},
    {"PutBucketTagging", "PUT", kBucket, "tagging", "", put_bucket_tagging},
    {"DeleteBucketTagging", "DELETE", kBucket, "tagging", "", delete_bucket_tagging},
    {"GetBucketAcl", "GET", kBucket, "acl", "", get_acl},
    {"PutBucketAcl", "PUT", kBucket, "acl", "", put_acl},

    {"GetBucketVersioning", "GET", kBucket, "versioning", "", get_bucket_versioning},
    {"GetBucketNotificationConfiguration", "GET", kBucket, "notification", "", get_empty_document},
    {"GetBucketLogging", "GET", kBucket, "logging", "", get_empty_document},
    {"GetBucketAccelerateConfiguration", "GET", kBucket, "accelerate", "", get_empty_document},
    {"GetBucketRequestPayment", "GET", kBucket, "requestPayment", "", get_empty_document},
    {"GetBucketPolicy", "GET", kBucket, "policy", "", get_missing_document},
    {"GetBucketPolicyStatus", "GET", kBucket, "policyStatus", "", get_missing_document},
    {"GetBucketCors", "GET", kBucket, "cors", "", get_missing_document},
    {"GetBucketLifecycleConfiguration", "GET", kBucket, "lifecycle", "", get_missing_document},
    {"GetBucketWebsite", "GET", kBucket, "website", "", get_missing_document},
    {"GetBucketEncryption", "GET", kBucket, "encryption", "", get_bucket_document},
    {"GetBucketReplication", "GET", kBucket, "replication", "", get_missing_document},
    {"GetObjectLockConfiguration", "GET", kBucket, "object-lock", "", get_missing_document},
    {"GetPublicAccessBlock", "GET", kBucket, "publicAccessBlock", "", get_bucket_document},
    {"PutPublicAccessBlock", "PUT", kBucket, "publicAccessBlock", "", put_bucket_document},
    {"DeletePublicAccessBlock", "DELETE", kBucket, "publicAccessBlock", "", delete_bucket_document},
    {"GetBucketOwnershipControls", "GET", kBucket, "ownershipControls", "", get_bucket_document},
    {"PutBucketOwnershipControls", "PUT", kBucket, "ownershipControls", "", put_bucket_document},
    {"DeleteBucketOwnershipControls", "DELETE", kBucket, "ownershipControls", "", delete_bucket_document},
    {"DeleteBucketPolicy", "DELETE", kBucket, "policy", "", delete_bucket_document},
    {"DeleteBucketCors", "DELETE", kBucket, "cors", "", delete_bucket_document},
    {"DeleteBucketLifecycle", "DELETE", kBucket, "lifecycle", "", delete_bucket_document},
    {"DeleteBucketWebsite", "DELETE", kBucket, "website", "", delete_bucket_document},
    {"DeleteBucketEncryption", "DELETE", kBucket, "encryption", "", delete_bucket_document},
    {"DeleteBucketReplication", "DELETE", kBucket, "replication", "", delete_bucket_document},
    missing("PutBucketVersioning", "PUT", kBucket, "versioning"),
    missing("PutBucketNotificationConfiguration", "PUT", kBucket, "notification"),
    missing("PutBucketLogging", "PUT", kBucket, "logging"),
    missing("PutBucketAccelerateConfiguration", "PUT", kBucket, "accelerate"),
    missing("PutBucketRequestPayment", "PUT", kBucket, "requestPayment"),
    missing("PutBucketPolicy", "PUT", kBucket, "policy"),
    missing("PutBucketCors", "PUT", kBucket, "cors"),
    missing("PutBucketLifecycleConfiguration", "PUT", kBucket, "lifecycle"),
    missing("PutBucketWebsite", "PUT", kBucket, "website"),
    missing("PutBucketEncryption", "PUT", kBucket, "encryption"),
    missing("PutBucketReplication", "PUT", kBucket, "replication"),
    missing("PutObjectLockConfiguration", "PUT", kBucket, "object-lock"),
    missing("GetBucketAnalyticsConfiguration", "GET", kBucket, "analytics"),
    missing("PutBucketAnalyticsConfiguration", "PUT", kBucket, "analytics"),
    missing("DeleteBucketAnalyticsConfiguration", "DELETE", kBucket, "analytics"),
    missing("GetBucketInventoryConfiguration", "GET", kBucket, "inventory"),
    missing("PutBucketInventoryConfiguration", "PUT", kBucket, "inventory"),
    missing("DeleteBucketInventoryConfiguration", "DELETE", kBucket, "inventory"),
    missing("GetBucketMetricsConfiguration", "GET", kBucket, "metrics"),
    missing("PutBucketMetricsConfiguration", "PUT", kBucket, "metrics"),
    missing("DeleteBucketMetricsConfiguration", "DELETE", kBucket, "metrics"),
    missing("GetBucketIntelligentTieringConfiguration", "GET", kBucket, "intelligent-tiering"),
    missing("PutBucketIntelligentTieringConfiguration", "PUT", kBucket, "intelligent-tiering"),
    missing("DeleteBucketIntelligentTieringConfiguration", "DELETE", kBucket, "intelligent-tiering"),
    missing("CreateSession", "GET", kBucket, "session"),
    missing("PostObject", "POST", kBucket, ""),

    {"GetObject", "GET", kObject, "", "", get_object},
    {"HeadObject", "HEAD", kObject, "", "", head_object},
    {"PutObject", "PUT", kObject, "", "", nullptr, put_object},
    {"DeleteObject", "DELETE", kObject, "", "", delete_object},
    {"CopyObject", "PUT", kObject, "", kCopySource, copy_object},
    {"GetObjectAttributes", "GET", kObject, "attributes", "", get_object_attributes},
    {"GetObjectTagging", "GET", kObject, "tagging", "", get_object_tagging},
    {"PutObjectTagging", "PUT", kObject, "tagging", "", put_object_tagging},
    {"DeleteObjectTagging", "DELETE", kObject, "tagging", "", delete_object_tagging},
    {"GetObjectAcl", "GET", kObject, "acl", "", get_acl},
    {"PutObjectAcl", "PUT", kObject, "acl", "", put_acl},
    {"CreateMultipartUpload", "POST", kObject, "uploads", "", create_multipart_upload},
    {"UploadPart", "PUT", kObject, "partNumber&uploadId", "", nullptr, upload_part},
    {"UploadPartCopy", "PUT", kObject, "partNumber&uploadId", kCopySource, upload_part_copy},
    {"CompleteMultipartUpload", "POST", kObject, "uploadId", "", complete_multipart_upload},
    {"AbortMultipartUpload", "DELETE", kObject, "uploadId", "", abort_multipart_upload},
    {"ListParts", "GET", kObject, "uploadId", "", list_parts},
    missing("RestoreObject", "POST", kObject, "restore"),
    missing("SelectObjectContent", "POST", kObject, "select"),
    missing("GetObjectTorrent", "GET", kObject, "torrent"),
    missing("GetObjectRetention", "GET", kObject, "retention"),
    missing("PutObjectRetention", "PUT", kObject, "retention"),
    missing("GetObjectLegalHold", "GET", kObject, "legal-hold"),
    missing("PutObjectLegalHold", "PUT", kObject, "legal-hold"),
    missing("RenameObject", "PUT", kObject, "renameObject"),
};

/// How many requirements the row has, or -1 when the request misses one.
/// More requirements make a row more specific: UploadPart wins over PutObject. The order of the rows does not matter.
int matched(const Route& route, const S3Request& in) {
  int requirements = 0;
  if (!route.query.empty())
    for (const auto part : split(route.query, '&')) {
      const auto equals = std::min(part.find('='), part.size());
      const auto value = in.parameter(part.substr(0, equals));
      if (!value || (equals < part.size() && *value != part.substr(equals + 1))) return -1;
      ++requirements;
    }
  if (!route.header.empty()) {
    if (!in.header(route.header)) return -1;
    ++requirements;
  }
  return requirements;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

const Route& find_route(const S3Request& in) {
  // An empty key is the bucket itself: "/bucket/" and "/bucket" are the same.
  const Shape shape = in.bucket.empty() ? kService : in.key.empty() ? kBucket : kObject;
  const Route* best = nullptr;
  int best_requirements = -1;
  for (const Route& route : kRoutes) {
    if (route.method != in.http.method || route.shape != shape) continue;
    // `>`: the first of equally specific rows wins; rows of one shape and method differ in their requirements.
    if (const int requirements = matched(route, in); requirements > best_requirements) {
      best = &route;
      best_requirements = requirements;
    }
  }
  // The path exists, but not with this method.
  if (best == nullptr) fail(Code::kMethodNotAllowed, {}, {{"Method", in.http.method}});
  return *best;
}

Response not_implemented_operation(S3Request& in, Context&) {
  not_implemented("S3 " + std::string(find_route(in).name));
}

}  // namespace clary::s3
