// SPDX-License-Identifier: Apache-2.0
// CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig (control-plane.md section 7).
// A row's body is the request without its tags, with default weights filled in.
#include <set>

#include "platform/aws/service_error.h"
#include "platform/services/sagemaker/hosting.h"
#include "platform/services/sagemaker/list_query.h"

namespace clary::sagemaker {
namespace {

using aws::Caller;
using aws::Code;
using aws::ServiceError;

ServiceError invalid(const std::string& message) { return ServiceError(Code::kValidationException, message); }

/// Members that would change what an endpoint does, and that this server does not do.
void refuse_unsupported(const Json& input) {
  static constexpr std::pair<const char*, const char*> kUnsupported[] = {
      {"AsyncInferenceConfig", "asynchronous inference"},
      {"ShadowProductionVariants", "shadow variants"},
      {"ExplainerConfig", "explainers"},
  };
  for (const auto& [member, what] : kUnsupported)
    if (input.contains(member))
      throw invalid(std::string(member) + ": " + what + " is not supported by this server; leave it out.");
  if (input.contains("DataCaptureConfig") && input["DataCaptureConfig"].value("EnableCapture", true))
    throw invalid("DataCaptureConfig: data capture is not supported by this server; set EnableCapture to false.");
}

// The model is looked up now for its error; its definition is read again when an endpoint is created, as on AWS.
void check_variant(Json& variant, const Caller& caller, HostingDeps& deps) {
  const std::string name = variant["VariantName"];
  if (!variant.contains("ModelName"))
    throw invalid("ModelName must be given for production variant " + name +
                  "; inference components are not supported by this server.");
  const std::string model = variant["ModelName"];
  if (!deps.models.find(model)) throw could_not_find("model", resource_arn(caller, "model", model));
  const bool serverless = variant.contains("ServerlessConfig");
  if (!serverless && (!variant.contains("InstanceType") || !variant.contains("InitialInstanceCount")))
    throw invalid("InstanceType and InitialInstanceCount, or ServerlessConfig, must be given for production variant " +
                  name + ".");
  if (serverless && variant.contains("InstanceType"))
    throw invalid("InstanceType and ServerlessConfig must not both be given for production variant " + name + ".");
  variant.emplace("InitialVariantWeight", 1.0);
}

// The service model has checked types, lengths and patterns before (aws/validate.cpp); here are the rules over several
// members and what this server does not do.
Json create_endpoint_config(const Json& input, const Caller& caller, HostingDeps& deps) {
  refuse_unsupported(input);
  Json body = input;
  body.erase("Tags");
  std::set<std::string> names;
  for (Json& variant : body["ProductionVariants"]) {
    if (!names.insert(variant["VariantName"]).second)
      throw invalid("The variant name \"" + variant["VariantName"].get<std::string>() +
                    "\" was non-unique within the request.");
    check_variant(variant, caller, deps);
  }
  const auto tags = resources::parse_tags(input.value("Tags", Json::array()));
  const std::string name = input["EndpointConfigName"], arn = resource_arn(caller, "endpoint-config", name);
  const EpochMs now = now_ms();
  // The insert decides about existing names, not a look-up before it: two requests may come at once.
  if (!deps.configs.insert({name, arn, now, now, "", std::move(body)}, tags).inserted)
    throw invalid("Cannot create already existing endpoint configuration \"" + arn + "\".");
  return {{"EndpointConfigArn", arn}};
}

Json describe_endpoint_config(const Json& input, const Caller& caller, HostingDeps& deps) {
  const std::string name = input["EndpointConfigName"];
  const auto row = deps.configs.find(name);
  if (!row) throw could_not_find("endpoint configuration", resource_arn(caller, "endpoint-config", name));
  Json answer{{"EndpointConfigName", row->name},
              {"EndpointConfigArn", row->arn},
              {"CreationTime", epoch_seconds(row->created)}};
  copy_members(row->body, answer,
               {"ProductionVariants", "KmsKeyId", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation",
                "MetricsConfig", "DataCaptureConfig"});
  return answer;
}

Json list_endpoint_configs(const Json& input, HostingDeps& deps) {
  return list_answer(deps.configs.list(list_query(input)), "EndpointConfigs", [](const resources::Resource& row) {
    return Json{
        {"EndpointConfigName", row.name}, {"EndpointConfigArn", row.arn}, {"CreationTime", epoch_seconds(row.created)}};
  });
}

Json delete_endpoint_config(const Json& input, const Caller& caller, HostingDeps& deps) {
  const std::string name = input["EndpointConfigName"];
  if (!deps.configs.erase(name))
    throw could_not_find("endpoint configuration", resource_arn(caller, "endpoint-config", name));
  return nullptr;
}

}  // namespace

Operations endpoint_config_operations(HostingDeps& deps) {
  return {
      {"CreateEndpointConfig",
       [&](const Json& in, const Caller& who) { return create_endpoint_config(in, who, deps); }},
      {"DescribeEndpointConfig",
       [&](const Json& in, const Caller& who) { return describe_endpoint_config(in, who, deps); }},
      {"ListEndpointConfigs", [&](const Json& in, const Caller&) { return list_endpoint_configs(in, deps); }},
      {"DeleteEndpointConfig",
       [&](const Json& in, const Caller& who) { return delete_endpoint_config(in, who, deps); }},
  };
}

}  // namespace clary::sagemaker
