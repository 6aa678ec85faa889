// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/error_table.h"

namespace clary::aws {

namespace {

constexpr std::size_t kWires = 4;
constexpr std::size_t kKinds = 9;
constexpr std::size_t kFailures = 7;

// One line per Kind; columns S3, JSON, REST-JSON, query.
constexpr std::array<std::array<Code, kWires>, kKinds> kByKind = {{
    /* kInvalid     */ {Code::kInvalidArgument, Code::kValidationException, Code::kValidationError,
                        Code::kValidationError},
    /* kMalformed   */
    {Code::kInvalidRequest, Code::kSerializationException, Code::kValidationError, Code::kMalformedQueryString},
    /* kNotFound    */ {Code::kNoSuchKey, Code::kValidationException, Code::kValidationError, Code::kNoSuchEntity},
    /* kConflict    */
    {Code::kOperationAborted, Code::kValidationException, Code::kValidationError, Code::kEntityAlreadyExists},
    /* kDenied      */
    {Code::kAccessDenied, Code::kAccessDeniedException, Code::kAccessDeniedException, Code::kAccessDenied},
    /* kLimit       */
    {Code::kEntityTooLarge, Code::kResourceLimitExceeded, Code::kValidationError, Code::kValidationError},
    /* kUnavailable */
    {Code::kSlowDown, Code::kThrottlingException, Code::kServiceUnavailable, Code::kServiceUnavailable},
    /* kCancelled   */ {Code::kInternalError, Code::kInternalFailure, Code::kInternalFailure, Code::kInternalFailure},
    /* kInternal    */ {Code::kInternalError, Code::kInternalFailure, Code::kInternalFailure, Code::kInternalFailure},
}};

constexpr std::array<std::array<Code, kWires>, kFailures> kByFailure = {{
    /* kMissing      */ {Code::kAccessDenied, Code::kMissingAuthenticationTokenException,
                         Code::kMissingAuthenticationTokenException, Code::kMissingAuthenticationToken},
    /* kIncomplete   */
    {Code::kAuthorizationHeaderMalformed, Code::kIncompleteSignatureException, Code::kIncompleteSignatureException,
     Code::kIncompleteSignature},
    /* kUnknownKey   */
    {Code::kInvalidAccessKeyId, Code::kUnrecognizedClientException, Code::kUnrecognizedClientException,
     Code::kInvalidClientTokenId},
    /* kBadSignature */
    {Code::kSignatureDoesNotMatch, Code::kInvalidSignatureException, Code::kInvalidSignatureException,
     Code::kSignatureDoesNotMatch},
    /* kSkewed       */
    {Code::kRequestTimeTooSkewed, Code::kInvalidSignatureException, Code::kInvalidSignatureException,
     Code::kSignatureDoesNotMatch},
    /* kExpired      */
    {Code::kExpiredToken, Code::kExpiredTokenException, Code::kExpiredTokenException, Code::kExpiredToken},
    /* kDenied       */
    {Code::kAccessDenied, Code::kAccessDeniedException, Code::kAccessDeniedException, Code::kAccessDenied},
}};

}  // namespace

Code default_code(Wire wire, Kind kind) noexcept {
  return kByKind[static_cast<std::size_t>(kind)][static_cast<std::size_t>(wire)];
}

Code default_code(Wire wire, AuthFailure failure) noexcept {
  return kByFailure[static_cast<std::size_t>(failure)][static_cast<std::size_t>(wire)];
}

}  // namespace clary::aws
