// SPDX-License-Identifier: Apache-2.0
// Who sent this request? First read_signature() takes the signature apart (the dispatcher reads the service from its
// scope), then verify() checks it. Errors carry the code of the service's own wire form.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "http/message.h"
#include "platform/aws/credentials.h"
#include "platform/aws/service_error.h"
#include "platform/aws/sigv4.h"

namespace clary::aws {

/// Views into the request's headers and target, or into `credential`: valid while those stay unchanged.
struct Signature {
  enum class Form { kNone, kHeader, kPresigned, kPresignedV2, kMalformed };
  Form form = Form::kNone;
  std::string credential;  // decoded X-Amz-Credential of a presigned URL; owns what scope points at
  std::string signed_headers_text, signature_text, timestamp_text;
  std::string_view access_key, region, service;  // empty where the form has none
  Scope scope;
  std::string_view signed_headers, signature;
  std::string_view timestamp;  // yyyymmddThhmmssZ, or epoch seconds for V2 (the end of its validity)
  std::string malformed;       // what is wrong, for kMalformed

  Signature() = default;
  Signature(const Signature&) = delete;
  Signature& operator=(const Signature&) = delete;
};

/// Never throws: what can't be read is kMalformed. The result is in `into`, whose address views depend on.
void read_signature(const http::Request& request, Signature& into);

struct VerifyOptions {
  Wire wire = Wire::kS3;
  PathRule path_rule = PathRule::kOthers;
  std::string_view payload_hash;  // for presigned URLs of S3: UNSIGNED-PAYLOAD
  std::string_view v2_bucket;     // of a virtual-host request, in front of the path
  bool dev = false;               // anything that is signed at all passes
  EpochMs now = 0;
};

/// What the chunk signatures of a streaming upload chain on.
struct Verified {
  std::string signing_key;  // empty when signatures are not checked
};

/// @throws ServiceError with the wire's code: unsigned, unknown key, skewed, expired, wrong signature
Verified verify(const http::Request& request, const Signature& signature, const Credentials& credentials,
                const VerifyOptions& options);

constexpr EpochMs kMaxSkewMs = 15 * 60 * 1000;
constexpr long kMaxPresignedSeconds = 604'800;

}  // namespace clary::aws
