// SPDX-License-Identifier: Apache-2.0
// The headers that describe an object: what a PUT may set, what a GET shows.
#pragma once

#include "platform/objects/types.h"
#include "platform/services/s3/request.h"

namespace clary::s3 {

/// Content-Type, stored system headers, x-amz-meta-*, storage class, encryption, tags.
/// @throws ServiceError{MetadataTooLarge, InvalidTag, InvalidArgument, NotImplemented}
objects::PutOptions put_options(const S3Request& in);

/// If-None-Match: * and If-Match of a write. @throws ServiceError{NotImplemented} on other uses
void take_write_conditions(const S3Request& in, bool& if_absent, std::optional<std::string>& if_match);

/// ETag, Last-Modified, Content-Type, stored headers, storage class; response-* overrides of the query.
void add_object_headers(http::Headers& out, const S3Request& in, const objects::ObjectInfo& object);

/// x-amz-checksum-<algorithm> and x-amz-checksum-type, when there is a checksum.
void add_checksum(http::Headers& out, const objects::ObjectInfo& object);

/// The encryption headers that a PUT's answer repeats.
void add_encryption(http::Headers& out, const Json& stored);

/// At most `limit` tags, keys of 1..128 and values of 0..256 characters, each key once. @throws
/// ServiceError{InvalidTag}
void check_tags(const objects::Tags& tags, std::size_t limit);

inline constexpr std::size_t kMaxObjectTags = 10;
inline constexpr std::size_t kMaxBucketTags = 50;

std::string in_quotes(std::string_view etag);

}  // namespace clary::s3
