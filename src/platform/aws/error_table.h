// SPDX-License-Identifier: Apache-2.0
// The only place that knows AWS's error names and their HTTP statuses. The texts are what a client sees when the
// thrower has no better one. error_encoding.h turns a row into bytes.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "base/error.h"

namespace clary::aws {

enum class Code {
  // S3
  kNoSuchBucket,
  kNoSuchKey,
  kNoSuchUpload,
  kNoSuchVersion,
  kNoSuchTagSet,
  kNoSuchBucketPolicy,
  kNoSuchCORSConfiguration,
  kNoSuchLifecycleConfiguration,
  kNoSuchWebsiteConfiguration,
  kServerSideEncryptionConfigurationNotFoundError,
  kNoSuchPublicAccessBlockConfiguration,
  kReplicationConfigurationNotFoundError,
  kObjectLockConfigurationNotFoundError,
  kOwnershipControlsNotFoundError,
  kBucketAlreadyExists,
  kBucketAlreadyOwnedByYou,
  kBucketNotEmpty,
  kOperationAborted,
  kInvalidArgument,
  kInvalidRequest,
  kInvalidURI,
  kInvalidBucketName,
  kInvalidDigest,
  kBadDigest,
  kInvalidPart,
  kInvalidPartOrder,
  kEntityTooSmall,
  kEntityTooLarge,
  kMalformedXML,
  kKeyTooLongError,
  kInvalidTag,
  kMetadataTooLarge,
  kIncompleteBody,
  kIllegalLocationConstraintException,
  kInvalidLocationConstraint,
  kXAmzContentSHA256Mismatch,
  kAccessDenied,
  kSignatureDoesNotMatch,
  kInvalidAccessKeyId,
  kRequestTimeTooSkewed,
  kAuthorizationHeaderMalformed,
  kAuthorizationQueryParametersError,
  kMissingSecurityHeader,
  kInvalidToken,
  kExpiredToken,
  kRequestTimeout,
  kNotModified,
  kPermanentRedirect,
  kMethodNotAllowed,
  kMissingContentLength,
  kPreconditionFailed,
  kInvalidRange,
  kInternalError,
  kNotImplemented,
  kSlowDown,
  kInsufficientStorage,
  // JSON services
  kValidationException,
  kResourceInUse,
  kResourceLimitExceeded,
  kResourceNotFound,
  kConflictException,
  kAccessDeniedException,
  kUnrecognizedClientException,
  kInvalidSignatureException,
  kMissingAuthenticationTokenException,
  kIncompleteSignatureException,
  kExpiredTokenException,
  kSerializationException,
  kUnknownOperationException,
  kThrottlingException,
  kInternalFailure,
  kNotImplementedException,
  kResourceNotFoundException,
  kResourceAlreadyExistsException,
  kInvalidParameterException,
  // runtime
  kValidationError,
  kModelError,
  kModelNotReadyException,
  kServiceUnavailable,
  kInternalDependencyException,
  // query services
  kInvalidAction,
  kMissingAction,
  kMalformedQueryString,
  kInvalidParameterValue,
  kInvalidParameterCombination,
  kMissingAuthenticationToken,
  kInvalidClientTokenId,
  kIncompleteSignature,
  kNoSuchEntity,
  kEntityAlreadyExists,
};

struct CodeRow {
  Code code;
  std::string_view name;
  int status;
  std::string_view text;
};

inline constexpr auto kCodes = std::to_array<CodeRow>({
    // S3
    {Code::kNoSuchBucket, "NoSuchBucket", 404, "The specified bucket does not exist"},
    {Code::kNoSuchKey, "NoSuchKey", 404, "The specified key does not exist."},
    {Code::kNoSuchUpload, "NoSuchUpload", 404,
     "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
     "completed."},
    {Code::kNoSuchVersion, "NoSuchVersion", 404, "The specified version does not exist."},
    {Code::kNoSuchTagSet, "NoSuchTagSet", 404, "The TagSet does not exist"},
    {Code::kNoSuchBucketPolicy, "NoSuchBucketPolicy", 404, "The bucket policy does not exist"},
    {Code::kNoSuchCORSConfiguration, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"},
    {Code::kNoSuchLifecycleConfiguration, "NoSuchLifecycleConfiguration", 404,
     "The lifecycle configuration does not exist"},
    {Code::kNoSuchWebsiteConfiguration, "NoSuchWebsiteConfiguration", 404,
     "The specified bucket does not have a website configuration"},
    {Code::kServerSideEncryptionConfigurationNotFoundError, "ServerSideEncryptionConfigurationNotFoundError", 404,
     "The server side encryption configuration was not found"},
    {Code::kNoSuchPublicAccessBlockConfiguration, "NoSuchPublicAccessBlockConfiguration", 404,
     "The public access block configuration was not found"},
    {Code::kReplicationConfigurationNotFoundError, "ReplicationConfigurationNotFoundError", 404,
     "The replication configuration was not found"},
    {Code::kObjectLockConfigurationNotFoundError, "ObjectLockConfigurationNotFoundError", 404,
     "Object Lock configuration does not exist for this bucket"},
    {Code::kOwnershipControlsNotFoundError, "OwnershipControlsNotFoundError", 404,
     "The bucket ownership controls were not found"},
    {Code::kBucketAlreadyExists, "BucketAlreadyExists", 409,
     "The requested bucket name is not available. Please select a different name and try again."},
    {Code::kBucketAlreadyOwnedByYou, "BucketAlreadyOwnedByYou", 409,
     "Your previous request to create the named bucket succeeded and you already own it."},
    {Code::kBucketNotEmpty, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty"},
    {Code::kOperationAborted, "OperationAborted", 409,
     "A conflicting conditional operation is currently in progress against this resource. Please try again."},
    {Code::kInvalidArgument, "InvalidArgument", 400, "Invalid Argument"},
    {Code::kInvalidRequest, "InvalidRequest", 400, "Invalid Request"},
    {Code::kInvalidURI, "InvalidURI", 400, "Couldn't parse the specified URI."},
    {Code::kInvalidBucketName, "InvalidBucketName", 400, "The specified bucket is not valid."},
    {Code::kInvalidDigest, "InvalidDigest", 400, "The Content-MD5 you specified was invalid."},
    {Code::kBadDigest, "BadDigest", 400, "The Content-MD5 you specified did not match what we received."},
    {Code::kInvalidPart, "InvalidPart", 400,
     "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
     "entity tag may not match the part's entity tag."},
    {Code::kInvalidPartOrder, "InvalidPartOrder", 400,
     "The list of parts was not in ascending order. Parts must be ordered by part number."},
    {Code::kEntityTooSmall, "EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size"},
    {Code::kEntityTooLarge, "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"},
    {Code::kMalformedXML, "MalformedXML", 400,
     "The XML you provided was not well-formed or did not validate against our published schema"},
    {Code::kKeyTooLongError, "KeyTooLongError", 400, "Your key is too long"},
    {Code::kInvalidTag, "InvalidTag", 400, "The tag provided was not a valid tag."},
    {Code::kMetadataTooLarge, "MetadataTooLarge", 400,
     "Your metadata headers exceed the maximum allowed metadata size"},
    {Code::kIncompleteBody, "IncompleteBody", 400, "The request body terminated unexpectedly"},
    {Code::kIllegalLocationConstraintException, "IllegalLocationConstraintException", 400,
     "The location constraint is incompatible for the region specific endpoint this request was sent to."},
    {Code::kInvalidLocationConstraint, "InvalidLocationConstraint", 400,
     "The specified location-constraint is not valid"},
    {Code::kXAmzContentSHA256Mismatch, "XAmzContentSHA256Mismatch", 400,
     "The provided 'x-amz-content-sha256' header does not match what was computed."},
    {Code::kAccessDenied, "AccessDenied", 403, "Access Denied"},
    {Code::kSignatureDoesNotMatch, "SignatureDoesNotMatch", 403,
     "The request signature we calculated does not match the signature you provided. Check your key and signing "
     "method."},
    {Code::kInvalidAccessKeyId, "InvalidAccessKeyId", 403,
     "The AWS Access Key Id you provided does not exist in our records."},
    {Code::kRequestTimeTooSkewed, "RequestTimeTooSkewed", 403,
     "The difference between the request time and the current time is too large."},
    {Code::kAuthorizationHeaderMalformed, "AuthorizationHeaderMalformed", 400,
     "The authorization header you provided is invalid."},
    {Code::kAuthorizationQueryParametersError, "AuthorizationQueryParametersError", 400,
     "Query-string authentication parameters are not valid."},
    {Code::kMissingSecurityHeader, "MissingSecurityHeader", 400, "Your request was missing a required header"},
    {Code::kInvalidToken, "InvalidToken", 400, "The provided token is malformed or otherwise invalid."},
    {Code::kExpiredToken, "ExpiredToken", 400, "The provided token has expired."},
    {Code::kRequestTimeout, "RequestTimeout", 400,
     "Your socket connection to the server was not read from or written to within the timeout period. Idle connections "
     "will be closed."},
    {Code::kNotModified, "NotModified", 304, "Not Modified"},
    {Code::kPermanentRedirect, "PermanentRedirect", 301,
     "The bucket you are attempting to access must be addressed using the specified endpoint."},
    {Code::kMethodNotAllowed, "MethodNotAllowed", 405, "The specified method is not allowed against this resource."},
    {Code::kMissingContentLength, "MissingContentLength", 411, "You must provide the Content-Length HTTP header."},
    {Code::kPreconditionFailed, "PreconditionFailed", 412,
     "At least one of the pre-conditions you specified did not hold"},
    {Code::kInvalidRange, "InvalidRange", 416, "The requested range is not satisfiable"},
    {Code::kInternalError, "InternalError", 500, "We encountered an internal error. Please try again."},
    {Code::kNotImplemented, "NotImplemented", 501,
     "A header or query you provided requested a function that is not implemented."},
    {Code::kSlowDown, "SlowDown", 503, "Please reduce your request rate."},
    {Code::kInsufficientStorage, "InsufficientStorage", 507, "The server has no room left for this data."},
    // JSON services
    {Code::kValidationException, "ValidationException", 400, "The request is not valid."},
    {Code::kResourceInUse, "ResourceInUse", 400, "The resource is in use."},
    {Code::kResourceLimitExceeded, "ResourceLimitExceeded", 400, "A limit of this server was reached."},
    {Code::kResourceNotFound, "ResourceNotFound", 400, "Requested resource not found."},
    {Code::kConflictException, "ConflictException", 400, "The request conflicts with the state of the resource."},
    {Code::kAccessDeniedException, "AccessDeniedException", 400, "You are not authorized to perform this operation."},
    {Code::kUnrecognizedClientException, "UnrecognizedClientException", 400,
     "The security token included in the request is invalid."},
    {Code::kInvalidSignatureException, "InvalidSignatureException", 403,
     "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
     "and signing method. Consult the service documentation for details."},
    {Code::kMissingAuthenticationTokenException, "MissingAuthenticationTokenException", 403,
     "Missing Authentication Token"},
    {Code::kIncompleteSignatureException, "IncompleteSignatureException", 400,
     "The request signature does not conform to AWS standards."},
    {Code::kExpiredTokenException, "ExpiredTokenException", 400,
     "The security token included in the request is expired"},
    {Code::kSerializationException, "SerializationException", 400, "The request body could not be read."},
    {Code::kUnknownOperationException, "UnknownOperationException", 400, "The requested operation is not known."},
    {Code::kThrottlingException, "ThrottlingException", 400, "Rate exceeded"},
    {Code::kInternalFailure, "InternalFailure", 500,
     "The server met an internal error. The log has the details under this request's id."},
    {Code::kNotImplementedException, "NotImplementedException", 400,
     "The operation is not implemented by this server."},
    {Code::kResourceNotFoundException, "ResourceNotFoundException", 400, "The specified resource does not exist."},
    {Code::kResourceAlreadyExistsException, "ResourceAlreadyExistsException", 400,
     "The specified resource already exists"},
    {Code::kInvalidParameterException, "InvalidParameterException", 400, "A parameter is specified incorrectly."},
    // runtime
    {Code::kValidationError, "ValidationError", 400, "The request is not valid."},
    {Code::kModelError, "ModelError", 424, "The model answered with an error."},
    {Code::kModelNotReadyException, "ModelNotReadyException", 429, "The model is not ready yet. Try again later."},
    {Code::kServiceUnavailable, "ServiceUnavailable", 503, "The service is temporarily unavailable. Try again later."},
    {Code::kInternalDependencyException, "InternalDependencyException", 530,
     "A component that this request needs failed."},
    // query services
    {Code::kInvalidAction, "InvalidAction", 400, "The action is not valid for this endpoint."},
    {Code::kMissingAction, "MissingAction", 400, "The request has no Action."},
    {Code::kMalformedQueryString, "MalformedQueryString", 400, "The form of the request could not be read."},
    {Code::kInvalidParameterValue, "InvalidParameterValue", 400, "A parameter has a value that is not allowed."},
    {Code::kInvalidParameterCombination, "InvalidParameterCombination", 400,
     "Parameters that must not be used together were used together."},
    {Code::kMissingAuthenticationToken, "MissingAuthenticationToken", 403, "Request is missing Authentication Token"},
    {Code::kInvalidClientTokenId, "InvalidClientTokenId", 403,
     "The security token included in the request is invalid."},
    {Code::kIncompleteSignature, "IncompleteSignature", 400,
     "The request signature does not conform to AWS standards."},
    {Code::kNoSuchEntity, "NoSuchEntity", 404, "The requested entity does not exist."},
    {Code::kEntityAlreadyExists, "EntityAlreadyExists", 409, "The entity exists already."},
});

constexpr bool rows_are_in_enum_order() {
  for (std::size_t i = 0; i < kCodes.size(); ++i)
    if (static_cast<std::size_t>(kCodes[i].code) != i) return false;
  return true;
}
static_assert(rows_are_in_enum_order(), "kCodes: one row per Code, in enum order");

constexpr const CodeRow& row(Code code) { return kCodes[static_cast<std::size_t>(code)]; }

/// How a service writes its answers.
enum class Wire { kS3, kJson, kRestJson, kQuery };

/// What a plain Error becomes when it leaves a service of that kind.
Code default_code(Wire wire, Kind kind) noexcept;

/// Conditions of authentication, which every kind of service names in its own way.
enum class AuthFailure { kMissing, kIncomplete, kUnknownKey, kBadSignature, kSkewed, kExpired, kDenied };
Code default_code(Wire wire, AuthFailure failure) noexcept;

}  // namespace clary::aws
