// SPDX-License-Identifier: Apache-2.0
// The member Environment of training jobs, containers and transform jobs.
#pragma once

#include "base/json.h"

namespace clary::sagemaker {

/// @throws ServiceError (ValidationException) when `owner` has an Environment that no program could be given: the
/// service model's patterns let NUL pass in values
void check_environment(const Json& owner);

}  // namespace clary::sagemaker
