// SPDX-License-Identifier: Apache-2.0
// The body of an S3 request as the service wants it: aws-chunked taken off, and checked against everything the request
// says about it (payload hash, Content-MD5, x-amz-checksum-* as header or trailer, decoded length). A mismatch is
// thrown by the read that would have returned the end, so nobody who reads to the end can take wrong bytes for good.
#pragma once

#include <memory>

#include "http/message.h"
#include "platform/aws/aws_chunked.h"

namespace clary::aws {

class CheckedBody : public http::BodySource {
 public:
  /// Checksum trailers are added to `headers` when the body ends.
  void report_trailers_to(http::Headers& headers) noexcept { headers_ = &headers; }

 protected:
  http::Headers* headers_ = nullptr;
};

/// @param request  its Content-Encoding loses "aws-chunked"; its body must outlive the result
/// @param form     set when the body is aws-chunked
/// @throws ServiceError: InvalidDigest, InvalidRequest for checksums that can't be right
/// @return null when the request says nothing about its body: then it is used as it is
std::unique_ptr<CheckedBody> decoded_body(http::Request& request, std::optional<AwsChunkedForm> form);

struct ChecksumName {
  std::string_view header;  // "x-amz-checksum-crc32"
  std::string_view name;    // "CRC32", as messages and x-amz-sdk-checksum-algorithm have it
  Digest digest;
  std::size_t bytes;
};

/// The checksums that S3 knows and this server verifies.
std::span<const ChecksumName> checksum_names() noexcept;

}  // namespace clary::aws
