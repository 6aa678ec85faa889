// SPDX-License-Identifier: Apache-2.0
// The body of an S3 request as the service wants it: aws-chunked taken off, and checked against everything the request
// says about it (payload hash, Content-MD5, x-amz-checksum-* as header or trailer, decoded length). A mismatch is
// thrown by the read that would have returned the end, so a service that reads to the end never stores wrong bytes.
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
/// @throws ServiceError: InvalidDigest, InvalidRequest for checksums of a wrong form
/// @return null when the request says nothing about its body: then it is used as it is
std::unique_ptr<CheckedBody> decoded_body(http::Request& request, std::optional<AwsChunkedForm> form);

}  // namespace clary::aws
