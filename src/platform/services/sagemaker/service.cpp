// SPDX-License-Identifier: Apache-2.0
#include "platform/services/sagemaker/service.h"

namespace clary::sagemaker {

aws::JsonService sagemaker_service(std::vector<Operations> resources) {
  aws::JsonService service;
  service.target_prefix = "SageMaker";
  service.model = "sagemaker";
  for (Operations& operations : resources) service.operations.merge(operations);
  return service;
}

}  // namespace clary::sagemaker
