// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/names.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "platform/objects/types.h"

namespace clary::objects {

namespace {

Kind kind_of(Problem problem) {
  switch (problem) {
    case Problem::kNoSuchBucket:
    case Problem::kNoSuchKey:
    case Problem::kNoSuchUpload:
      return Kind::kNotFound;
    case Problem::kBucketExists:
    case Problem::kBucketNotEmpty:
    case Problem::kPreconditionFailed:
      return Kind::kConflict;
    default:
      return Kind::kInvalid;
  }
}

bool has_ipv4_form(std::string_view name) {
  const auto labels = split(name, '.');
  return labels.size() == 4 && std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
           return !label.empty() && label.size() <= 3 &&
                  std::all_of(label.begin(), label.end(), [](char c) { return c >= '0' && c <= '9'; });
         });
}

}  // namespace

ObjectError::ObjectError(Problem problem, const std::string& message, std::string bucket, std::string key)
    : Error(kind_of(problem), message), problem_(problem), bucket_(std::move(bucket)), key_(std::move(key)) {}

// AWS, "Bucket naming rules" (general purpose buckets). The rule on IPv4 forms keeps virtual-host addressing
// unambiguous.
bool is_bucket_name(std::string_view name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return name.size() >= 3 && name.size() <= 63 && alphanumeric(name.front()) && alphanumeric(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return alphanumeric(c) || c == '-' || c == '.'; }) &&
         name.find("..") == std::string_view::npos && !has_ipv4_form(name);
}

// Not part of is_bucket_name(): buckets of these names may exist from before this rule.
bool is_reserved_bucket_name(std::string_view name) {
  for (const std::string_view start : {"xn--", "sthree-", "amzn-s3-demo-"})
    if (name.starts_with(start)) return true;
  for (const std::string_view end : {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"})
    if (name.ends_with(end)) return true;
  return false;
}

void check_bucket_name(std::string_view name) {
  if (is_bucket_name(name) && !is_reserved_bucket_name(name)) return;
  if (is_bucket_name(name))
    throw ObjectError(
        Problem::kInvalidBucketName,
        "bucket name '" + std::string(name) +
            "': starts with xn--, sthree- or amzn-s3-demo-, or ends with -s3alias, --ol-s3, .mrap, --x-s3 "
            "or --table-s3, which S3 keeps for itself",
        std::string(name));
  throw ObjectError(Problem::kInvalidBucketName,
                    "bucket name '" + std::string(name.substr(0, 80)) +
                        "': must be 3 to 63 of a-z, 0-9, '-' and '.', with a letter or digit at both ends, without "
                        "'..' and not an IP address",
                    std::string(name.substr(0, 255)));
}

// Reserved file names (".", "..") are legal in keys; blobs are named by random ids, and place_in() checks keys where
// they become paths.
void check_key(std::string_view bucket, std::string_view key) {
  const auto fail = [&](Problem problem, const std::string& rule) {
    throw ObjectError(problem, "key in bucket '" + std::string(bucket) + "': " + rule, std::string(bucket),
                      std::string(key.substr(0, kMaxKeyBytes)));
  };
  if (key.empty()) fail(Problem::kInvalidKey, "must not be empty");
  if (key.size() > kMaxKeyBytes)
    fail(Problem::kKeyTooLong, std::to_string(key.size()) + " bytes exceed the limit of 1024");
  if (!is_utf8(key)) fail(Problem::kInvalidKey, "must be UTF-8");
}

}  // namespace clary::objects
