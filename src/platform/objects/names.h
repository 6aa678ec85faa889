// SPDX-License-Identifier: Apache-2.0
// S3's rules for the names of buckets and keys.
#pragma once

#include <string_view>

namespace clary::objects {

/// 3..63 of a-z 0-9 - ., letter or digit at both ends, no "..", no IPv4 form.
bool is_bucket_name(std::string_view name);
/// Prefixes and suffixes that S3 keeps for itself (AWS, "Bucket naming rules"): no new bucket may have them.
bool is_reserved_bucket_name(std::string_view name);

/// @throws ObjectError{kInvalidBucketName}
void check_bucket_name(std::string_view name);

/// 1..1024 bytes of UTF-8. @throws ObjectError{kInvalidKey | kKeyTooLong}
void check_key(std::string_view bucket, std::string_view key);

}  // namespace clary::objects
