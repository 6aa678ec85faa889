// SPDX-License-Identifier: Apache-2.0
#include "platform/services/sagemaker/hosting.h"

#include "base/text.h"
#include "platform/aws/service_error.h"
#include "platform/serving/endpoints.h"
#include "platform/serving/transform_jobs.h"

namespace clary::sagemaker {

HostingDeps::HostingDeps(serving::Endpoints& live, serving::TransformJobs& jobs)
    : models(live.deps().database, resources::ResourceKind::kModel),
      configs(live.deps().database, resources::ResourceKind::kEndpointConfig),
      endpoints(live.deps().database, resources::ResourceKind::kEndpoint),
      transforms(live.deps().database, resources::ResourceKind::kTransformJob),
      catalog(live.deps().catalog),
      objects(live.deps().objects),
      settle_endpoint([&live](const std::string& name) { live.settle(name); }),
      start_transform([&jobs](const std::string& name) { jobs.start(name); }),
      stop_transform([&jobs](const std::string& name) { jobs.stop_job(name); }) {}

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
