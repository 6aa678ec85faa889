// SPDX-License-Identifier: Apache-2.0
#include "platform/services/sagemaker/environment.h"

#include <map>
#include <string>

#include "platform/aws/service_error.h"
#include "platform/sandbox/sandbox.h"

namespace clary::sagemaker {

void check_environment(const Json& owner) {
  const auto found = owner.find("Environment");
  if (found == owner.end()) return;
  if (const auto problem = sandbox::environment_problem(found->get<std::map<std::string, std::string>>()))
    throw aws::ServiceError(aws::Code::kValidationException, "Environment: " + *problem + ".");
}

}  // namespace clary::sagemaker
