// SPDX-License-Identifier: Apache-2.0
// The operations on models, endpoint configurations, endpoints and transform jobs: one table a resource, merged into
// the SageMaker service. Each function checks its input against the rows, changes a row, and informs the serving
// library.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "platform/aws/service_error.h"
#include "platform/aws/services.h"
#include "platform/catalog/algorithm_catalog.h"
#include "platform/objects/object_source.h"
#include "platform/resources/resource_table.h"

namespace clary::serving {
class Endpoints;
class TransformJobs;
}  // namespace clary::serving

namespace clary::sagemaker {

using Operations = std::map<std::string, aws::JsonOperation, std::less<>>;

struct HostingDeps {
  HostingDeps(serving::Endpoints& live, serving::TransformJobs& jobs);

  resources::ResourceTable models, configs, endpoints, transforms;
  const catalog::AlgorithmCatalog& catalog;
  objects::ObjectSource& objects;
  // What the serving library is asked to do when a row has changed. As functions, so that its headers, and Asio, are
  // hosting.cpp's alone.
  using Named = std::function<void(const std::string& name)>;
  Named settle_endpoint, start_transform, stop_transform;
};

// `deps` must outlive the operations.
Operations model_operations(HostingDeps& deps);
Operations endpoint_config_operations(HostingDeps& deps);
Operations endpoint_operations(HostingDeps& deps);
Operations transform_operations(HostingDeps& deps);

/// All of the above.
Operations hosting_operations(HostingDeps& deps);

/// "arn:aws:sagemaker:<region>:<account>:<kind>/<name in lower case>"
std::string resource_arn(const aws::Caller& caller, std::string_view kind, std::string_view name);

/// `Could not find <kind> "<arn>".`, the text by which the SDKs know that something does not exist.
aws::ServiceError could_not_find(const std::string& kind, const std::string& arn);

/// Copies those members of `from` that are there.
void copy_members(const Json& from, Json& to, std::initializer_list<const char*> names);

}  // namespace clary::sagemaker
