// SPDX-License-Identifier: Apache-2.0
// The SageMaker service: the tables of all its resources joined into one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "platform/aws/services.h"

namespace clary::sagemaker {

using Operations = std::map<std::string, aws::JsonOperation, std::less<>>;

aws::JsonService sagemaker_service(std::vector<Operations> resources);

}  // namespace clary::sagemaker
