// SPDX-License-Identifier: Apache-2.0
// Errors as bytes, in the four wire forms. Internal texts never leave: they go to the log with the request's id.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "http/message.h"
#include "platform/aws/service_error.h"

namespace clary::aws {

struct ErrorContext {
  Wire wire = Wire::kS3;
  std::string_view request_id;
  std::string_view resource;  // the path, for S3 and for the log
  std::string_view xmlns;     // of a query service
  std::string_view json_version = "1.1";
};

http::Response encode_error(Code code, const std::string& message, const Json& extra, const ErrorContext& context);

/// What any exception that left a service becomes; logs what is our own fault.
http::Response encode_exception(const std::exception& e, const ErrorContext& context);

/// The header that carries the request id in that wire form.
std::string_view request_id_header(Wire wire) noexcept;

}  // namespace clary::aws
