// SPDX-License-Identifier: Apache-2.0
// What the object store keeps and answers: plain structs, and the error that says which of S3's rules was broken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"

namespace clary::objects {

// AWS limits
inline constexpr std::size_t kMaxKeyBytes = 1024;
inline constexpr std::uint64_t kMaxPutBytes = 5ULL << 30;
inline constexpr std::uint64_t kMinPartBytes = 5ULL << 20;  // every part but the last
inline constexpr int kMaxParts = 10'000;
inline constexpr int kMaxListKeys = 1000;

enum class Problem {
  kNoSuchBucket,
  kNoSuchKey,
  kNoSuchUpload,
  kInvalidBucketName,
  kInvalidKey,
  kKeyTooLong,
  kBucketExists,
  kBucketNotEmpty,
  kPreconditionFailed,
  kInvalidPart,
  kInvalidPartOrder,
  kPartTooSmall,
  kBadChecksum,
  kBadSize,
};

/// Always says which bucket, and which key where there is one.
class ObjectError : public Error {
 public:
  ObjectError(Problem problem, const std::string& message, std::string bucket, std::string key = {});
  Problem problem() const noexcept { return problem_; }
  const std::string& bucket() const noexcept { return bucket_; }
  const std::string& key() const noexcept { return key_; }

 private:
  Problem problem_;
  std::string bucket_;
  std::string key_;
};

struct BucketInfo {
  std::int64_t id = 0;
  std::string name;
  std::string region;
  EpochMs created = 0;
};

struct ObjectInfo {
  std::string bucket;
  std::string key;
  std::uint64_t size = 0;
  std::string etag;  // no quotes
  EpochMs last_modified = 0;
  std::string content_type;
  Json headers = Json::object();   // stored system headers and x-amz-meta-*, names in lower case; empty in listings
  std::string storage_class;       // "STANDARD" unless the client said otherwise
  std::string checksum_algorithm;  // "CRC32", ... or empty
  std::string checksum;            // base64, with "-<parts>" for a composite one
  std::string checksum_type;       // "FULL_OBJECT" or "COMPOSITE"
  Json parts;                      // null, or [{"Size", "Checksum"}, ...] of a multipart upload; null in listings
  int tag_count = 0;               // 0 in listings
  std::string blob;                // file id
};

using Tags = std::vector<std::pair<std::string, std::string>>;

struct PutOptions {
  std::string content_type = "binary/octet-stream";
  Json headers = Json::object();
  std::string storage_class = "STANDARD";
  Tags tags;
  bool if_absent = false;               // If-None-Match: *
  std::optional<std::string> if_match;  // ETag without quotes the present object must have
};

struct ListQuery {
  std::string prefix;
  std::string delimiter;
  std::string after;  // exclusive; a common prefix here skips all of its keys
  int max_keys = kMaxListKeys;
};

struct Listing {
  std::vector<ObjectInfo> objects;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string next;  // give it as `after` to go on; set when truncated
};

struct MultipartInfo {
  std::string id;
  std::string bucket;
  std::string key;
  EpochMs created = 0;
  std::string storage_class;
  std::string checksum_algorithm;
  std::string checksum_type;
};

struct PartInfo {
  int number = 0;
  std::uint64_t size = 0;
  std::string etag;
  EpochMs last_modified = 0;
  std::string checksum;  // base64, of the upload's algorithm; empty when it has none
  std::string blob;
};

/// What CompleteMultipartUpload may ask beside the list of parts.
struct CompleteOptions {
  bool if_absent = false;               // as in PutOptions
  std::optional<std::string> if_match;  // as in PutOptions
  std::optional<std::string> checksum;  // base64 the whole object must have
  std::optional<std::uint64_t> size;    // bytes the whole object must have
};

/// One line of a CompleteMultipartUpload.
struct CompletedPart {
  int number = 0;
  std::string etag;                     // no quotes
  std::optional<std::string> checksum;  // base64; must equal the part's when given
};

}  // namespace clary::objects
