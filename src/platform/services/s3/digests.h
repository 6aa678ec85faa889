// SPDX-License-Identifier: Apache-2.0
// What a request says its body's digests are, and the check of it.
#pragma once

#include <optional>
#include <string>

#include "base/hash.h"
#include "platform/objects/upload.h"
#include "platform/services/s3/request.h"

namespace clary::s3 {

struct ExpectedDigests {
  std::optional<std::string> md5;       // Content-MD5, binary
  std::optional<Digest> algorithm;      // of x-amz-checksum-*, its trailer, or x-amz-sdk-checksum-algorithm
  std::optional<std::string> checksum;  // x-amz-checksum-*, base64; a trailer's value is checked by the edge
};

/// @throws ServiceError{InvalidDigest, InvalidRequest} on values that no body could have
ExpectedDigests expected_digests(const S3Request& in);

/// The same of a document in the body. CompleteMultipartUpload's checksum header describes the object, not its XML.
ExpectedDigests document_digests(const S3Request& in);

/// CompleteMultipartUpload: the checksum that the object shall have, base64; of a composite one with its "-<parts>".
/// @throws ServiceError{InvalidRequest} on a value that no object could have
std::optional<std::string> completed_checksum(const S3Request& in);

/// @throws ServiceError{BadDigest}
void verify(objects::Upload& upload, const ExpectedDigests& expected);
void verify(std::string_view body, const ExpectedDigests& expected);

/// "x-amz-checksum-crc32"
std::string checksum_header(std::string_view algorithm);

}  // namespace clary::s3
