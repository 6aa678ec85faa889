// SPDX-License-Identifier: Apache-2.0
// From the object store's problems to S3's error codes.
#pragma once

#include <string>
#include <string_view>

#include "platform/aws/service_error.h"
#include "platform/objects/types.h"

namespace clary::s3 {

using aws::Code;

/// Throws a ServiceError; the message "" means the code's own text.
[[noreturn]] void fail(Code code, const std::string& message = {}, Json extra = Json::object());
/// InvalidArgument with ArgumentName and ArgumentValue.
[[noreturn]] void fail_argument(std::string_view name, std::string_view value, const std::string& message);
/// NotImplemented, naming what is not.
[[noreturn]] void not_implemented(std::string_view what);

Code code_of(objects::Problem problem);
/// The S3 form of the store's error.
aws::ServiceError service_error(const objects::ObjectError& error);

}  // namespace clary::s3
