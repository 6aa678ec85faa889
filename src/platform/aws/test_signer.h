// SPDX-License-Identifier: Apache-2.0
// Signs requests, as a client does.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "http/headers.h"
#include "platform/aws/credentials.h"

namespace clary::aws {

struct SigningContext {
  AccessKey key;
  std::string session_token;
  std::string region = "us-east-1";
  std::string service = "s3";
};

/// Adds X-Amz-Date, x-amz-content-sha256 (S3), X-Amz-Security-Token and Authorization. Host must be in `headers`; all
/// headers there are signed. @param payload_hash  hex SHA-256 of the body, or one of the special values of S3
void sign(http::Headers& headers, std::string_view method, std::string_view target, std::string_view payload_hash,
          const SigningContext& context, EpochMs now);

/// `target` with the parameters of a presigned URL appended; only Host is signed.
std::string presigned(std::string_view method, std::string_view target, std::string_view host, long expires_seconds,
                      const SigningContext& context, EpochMs now);

}  // namespace clary::aws
