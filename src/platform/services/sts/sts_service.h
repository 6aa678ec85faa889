// SPDX-License-Identifier: Apache-2.0
// STS: who am I (always an assumed role, which the SDKs need to derive the execution role), and temporary keys.
#pragma once

#include "platform/aws/credentials.h"
#include "platform/aws/services.h"

namespace clary::services {

/// The role that this server says its callers have assumed. The SDKs know by the name that its path is /service-role/.
inline constexpr const char* kExecutionRole = "AmazonSageMaker-ExecutionRole";

/// `credentials` must outlive the service.
aws::QueryService sts_service(aws::Credentials& credentials);

}  // namespace clary::services
