// SPDX-License-Identifier: Apache-2.0
// HTTP's conditional and range headers, as S3 reads them (RFC 9110 sections 13 and 14).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "platform/objects/types.h"
#include "platform/services/s3/request.h"

namespace clary::s3 {

/// Whether a list of ETags ("*", quoted or not) names this one.
bool etag_matches(std::string_view list, std::string_view etag);

enum class Verdict { kGoOn, kNotModified, kFailed };

struct ConditionNames {
  std::string_view if_match, if_none_match, if_modified_since, if_unmodified_since;
};
inline constexpr ConditionNames kRequestConditions{"If-Match", "If-None-Match", "If-Modified-Since",
                                                   "If-Unmodified-Since"};
inline constexpr ConditionNames kCopySourceConditions{"x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match",
                                                      "x-amz-copy-source-if-modified-since",
                                                      "x-amz-copy-source-if-unmodified-since"};

/// If-Match true wins over If-Unmodified-Since, If-None-Match over If-Modified-Since.
Verdict check_conditions(const http::Headers& headers, const ConditionNames& names, const objects::ObjectInfo& object);

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// Nothing when the header is malformed, names several ranges or another unit (then the whole is meant).
/// @throws ServiceError{InvalidRange} when no byte of the object lies in it
std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t size);

/// "bytes=first-last" of a copy source, both given. @throws ServiceError{InvalidArgument, InvalidRange}
ByteRange parse_copy_range(std::string_view header, std::uint64_t size);

}  // namespace clary::s3
