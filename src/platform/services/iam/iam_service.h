// SPDX-License-Identifier: Apache-2.0
// IAM as far as the SDKs ask it for a role's ARN. Every role asked for exists: this server has no permissions of its
// own beyond its access keys.
#pragma once

#include "platform/aws/services.h"

namespace clary::services {

aws::QueryService iam_service();

}  // namespace clary::services
