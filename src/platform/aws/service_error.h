// SPDX-License-Identifier: Apache-2.0
// An error with an AWS code. Services throw it; the edge encodes it in the caller's wire form.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "platform/aws/error_table.h"

namespace clary::aws {

class ServiceError : public Error {
 public:
  /// @param extra  more members of the error: elements of the S3 document (Key, BucketName, ...), members of a JSON
  ///               error (OriginalStatusCode, ...). A name "header:X" becomes the response header X.
  explicit ServiceError(Code code) : ServiceError(code, std::string(row(code).text)) {}
  ServiceError(Code code, const std::string& message, Json extra = Json::object())
      : Error(Kind::kInvalid, message), code_(code), extra_(std::move(extra)) {}

  Code code() const noexcept { return code_; }
  const Json& extra() const noexcept { return extra_; }

 private:
  Code code_;
  Json extra_;
};

}  // namespace clary::aws
