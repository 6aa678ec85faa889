// SPDX-License-Identifier: Apache-2.0
// CreateModel, DescribeModel, ListModels, DeleteModel (control-plane.md section 6). A row's body is the request without
// its tags.
#include "platform/aws/service_error.h"
#include "platform/services/sagemaker/environment.h"
#include "platform/services/sagemaker/hosting.h"
#include "platform/services/sagemaker/list_query.h"
#include "platform/serving/model_artifact.h"

namespace clary::sagemaker {
namespace {

using aws::Caller;
using aws::Code;
using aws::ServiceError;

ServiceError invalid(const std::string& message) { return ServiceError(Code::kValidationException, message); }

/// The one container; pipelines and multi-model containers are refused by name.
/// Containers with one element is the same as PrimaryContainer; which of the two was given is kept for DescribeModel
/// (FromContainers).
Json only_container(const Json& input) {
  const bool has_primary = input.contains("PrimaryContainer");
  const bool has_list = input.contains("Containers") && !input["Containers"].empty();
  if (has_primary == has_list)
    throw invalid("Exactly one of PrimaryContainer and Containers must be given for model " +
                  input["ModelName"].get<std::string>() + ".");
  if (has_list && input["Containers"].size() > 1)
    throw invalid("Inference pipelines (more than one element in Containers) are not supported by this server.");
  Json container = has_primary ? input["PrimaryContainer"] : input["Containers"][0];
  if (container.value("Mode", "SingleModel") != "SingleModel")
    throw invalid("Mode MultiModel is not supported by this server; create one model for each archive.");
  if (container.contains("ModelPackageName"))
    throw invalid("ModelPackageName is not supported by this server; give Image and ModelDataUrl.");
  if (!container.contains("Image")) throw invalid("Image must be given for the container of a model.");
  if (container.contains("ModelDataUrl") && container.contains("ModelDataSource"))
    throw invalid("ModelDataUrl and ModelDataSource must not both be given.");
  check_environment(container);
  return container;
}

void check_model_data(const serving::ContainerSpec& container, const HostingDeps& deps, const std::string& role) {
  const auto algorithm = deps.catalog.find(container.image);
  if (!algorithm) deps.catalog.resolve(container.image);  // throws, naming those that exist
  if (container.model_url.empty()) {
    if (algorithm->builtin)
      throw invalid("ModelDataUrl must be given for a model of the built-in algorithm " + algorithm->name + ".");
    return;
  }
  // AWS checks at this moment too, and its sentence is what scripts look for. The object may still vanish before a
  // deployment.
  if (!serving::model_data_exists(container, deps.objects))
    throw invalid(
        "Could not access model data at " + container.model_url + ". Please ensure that the role \"" + role +
        "\" exists and that its trust relationship policy allows the action \"sts:AssumeRole\" for the service "
        "principal \"sagemaker.amazonaws.com\". Also ensure that the role has \"s3:GetObject\" permissions and "
        "that the object is located in the same region. (Could not find model data at " +
        container.model_url + ".)");
}

Json create_model(const Json& input, const Caller& caller, HostingDeps& deps) {
  Json body = input;
  body["PrimaryContainer"] = only_container(input);
  body.erase("Containers");
  body.erase("Tags");
  body["FromContainers"] = !input.contains("PrimaryContainer");
  const auto tags = resources::parse_tags(input.value("Tags", Json::array()));
  const std::string name = input["ModelName"], arn = resource_arn(caller, "model", name);
  check_model_data(serving::container_spec(body["PrimaryContainer"]), deps, input.value("ExecutionRoleArn", ""));
  const EpochMs now = now_ms();
  if (!deps.models.insert({name, arn, now, now, "", std::move(body)}, tags).inserted)
    throw invalid("Cannot create already existing model \"" + arn + "\".");
  return {{"ModelArn", arn}};
}

Json describe_model(const Json& input, const Caller& caller, HostingDeps& deps) {
  const std::string name = input["ModelName"];
  const auto row = deps.models.find(name);
  if (!row) throw could_not_find("model", resource_arn(caller, "model", name));
  Json container = row->body["PrimaryContainer"];
  container.emplace("Mode", "SingleModel");
  container.emplace("Environment", Json::object());
  Json answer{{"ModelName", row->name},
              {"ModelArn", row->arn},
              {"CreationTime", epoch_seconds(row->created)},
              {"EnableNetworkIsolation", row->body.value("EnableNetworkIsolation", false)}};
  if (row->body.value("FromContainers", false))
    answer["Containers"] = Json::array({container});
  else
    answer["PrimaryContainer"] = container;
  copy_members(row->body, answer, {"ExecutionRoleArn", "VpcConfig", "InferenceExecutionConfig"});
  return answer;
}

Json list_models(const Json& input, HostingDeps& deps) {
  return list_answer(deps.models.list(list_query(input)), "Models", [](const resources::Resource& row) {
    return Json{{"ModelName", row.name}, {"ModelArn", row.arn}, {"CreationTime", epoch_seconds(row.created)}};
  });
}

Json delete_model(const Json& input, const Caller& caller, HostingDeps& deps) {
  const std::string name = input["ModelName"];
  if (!deps.models.erase(name)) throw could_not_find("model", resource_arn(caller, "model", name));
  return nullptr;
}

}  // namespace

Operations model_operations(HostingDeps& deps) {
  return {
      {"CreateModel", [&](const Json& in, const Caller& who) { return create_model(in, who, deps); }},
      {"DescribeModel", [&](const Json& in, const Caller& who) { return describe_model(in, who, deps); }},
      {"ListModels", [&](const Json& in, const Caller&) { return list_models(in, deps); }},
      {"DeleteModel", [&](const Json& in, const Caller& who) { return delete_model(in, who, deps); }},
  };
}

}  // namespace clary::sagemaker
