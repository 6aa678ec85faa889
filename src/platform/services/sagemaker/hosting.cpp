// SPDX-License-Identifier: Apache-2.0
#include "platform/services/sagemaker/hosting.h"

#include "base/text.h"
#include "platform/aws/service_error.h"
#include "platform/serving/endpoints.h"

namespace clary::sagemaker {

HostingDeps::HostingDeps(serving::Endpoints& live_endpoints, serving::TransformJobs& transform_jobs)
    : endpoints(live_endpoints),
      transforms(transform_jobs),
      models(live_endpoints.deps().database, resources::ResourceKind::kModel),
      configs(live_endpoints.deps().database, resources::ResourceKind::kEndpointConfig) {}

Operations hosting_operations(HostingDeps& deps) {
  Operations all = model_operations(deps);
  all.merge(endpoint_config_operations(deps));
  all.merge(endpoint_operations(deps));
  all.merge(transform_operations(deps));
  return all;
}

// ARNs are in lower case whatever the case of the name, as AWS makes them.
std::string resource_arn(const aws::Caller& caller, std::string_view kind, std::string_view name) {
  return aws::arn(caller, "sagemaker", std::string(kind) + "/" + lower(name));
}

aws::ServiceError could_not_find(const std::string& kind, const std::string& arn) {
  return aws::ServiceError(aws::Code::kValidationException, "Could not find " + kind + " \"" + arn + "\".");
}

void copy_members(const Json& from, Json& to, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const auto found = from.find(name); found != from.end()) to[name] = *found;
}

}  // namespace clary::sagemaker
