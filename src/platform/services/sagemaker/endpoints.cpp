// SPDX-License-Identifier: Apache-2.0
// CreateEndpoint, DescribeEndpoint, ListEndpoints, UpdateEndpoint, UpdateEndpointWeightsAndCapacities, DeleteEndpoint
// (control-plane.md section 8). Each change is one transaction on the row; serving::Endpoints then makes it so. A row's
// body: EndpointConfigName, Generation, Variants (once deployed), Pending (while a change is under way), FailureReason,
// LastDeploymentConfig.
#include <set>

#include "platform/aws/service_error.h"
#include "platform/services/sagemaker/hosting.h"
#include "platform/services/sagemaker/list_query.h"
#include "platform/serving/endpoint_state.h"
#include "platform/serving/variant_spec.h"

namespace clary::sagemaker {
namespace {

using aws::Caller;
using aws::Code;
using aws::ServiceError;
using resources::Resource;
using serving::VariantSpec;
namespace status = serving::endpoint_status;

ServiceError invalid(const std::string& message) { return ServiceError(Code::kValidationException, message); }

std::string endpoint_arn(const Caller& caller, const std::string& name) {
  return resource_arn(caller, "endpoint", name);
}

/// What the configuration asks for, with the models' containers in it.
/// A copy of the containers goes into the endpoint's row: model and configuration may be deleted while it serves.
std::vector<VariantSpec> variants_of(const std::string& config_name, const Caller& caller, HostingDeps& deps) {
  const auto config = deps.configs.find(config_name);
  if (!config) throw could_not_find("endpoint configuration", resource_arn(caller, "endpoint-config", config_name));
  std::vector<VariantSpec> variants;
  for (const Json& production_variant : config->body.at("ProductionVariants")) {
    const std::string model_name = production_variant.at("ModelName");
    const auto model = deps.models.find(model_name);
    if (!model) throw could_not_find("model", resource_arn(caller, "model", model_name));
    variants.push_back(serving::variant_spec(production_variant, model->body));
  }
  return variants;
}

Json create_endpoint(const Json& input, const Caller& caller, HostingDeps& deps) {
  const std::string name = input["EndpointName"], config = input["EndpointConfigName"];
  const std::string arn = endpoint_arn(caller, name);
  // Before the row exists, so that a missing model is an answer and not a failed endpoint.
  const auto variants = variants_of(config, caller, deps);
  const auto tags = resources::parse_tags(input.value("Tags", Json::array()));
  Json body{{"EndpointConfigName", config},
            {"Pending",
             {{"EndpointConfigName", config},
              // The generation is named here, in the transaction that begins the change: serving::Endpoints finds
              // which folder belongs to which change even after a crash.
              {"Generation", serving::new_generation()},
              {"Variants", serving::to_json(variants)}}}};
  if (input.contains("DeploymentConfig")) body["LastDeploymentConfig"] = input["DeploymentConfig"];
  const EpochMs now = now_ms();
  if (!deps.endpoints.insert({name, arn, now, now, std::string(status::kCreating), std::move(body)}, tags).inserted)
    throw invalid("Cannot create already existing endpoint \"" + arn + "\".");
  // After the commit: the serving loop reads the row. A crash in between is repaired by Endpoints::recover().
  deps.settle_endpoint(name);
  return {{"EndpointArn", arn}};
}

Json describe_endpoint(const Json& input, const Caller& caller, HostingDeps& deps) {
  const std::string name = input["EndpointName"];
  const auto row = deps.endpoints.find(name);
  if (!row) throw could_not_find("endpoint", endpoint_arn(caller, name));
  Json answer{{"EndpointName", row->name},
              {"EndpointArn", row->arn},
              {"EndpointConfigName", row->body["EndpointConfigName"]},
              {"EndpointStatus", row->status},
              {"CreationTime", epoch_seconds(row->created)},
              {"LastModifiedTime", epoch_seconds(row->modified)}};
  copy_members(row->body, answer, {"FailureReason", "LastDeploymentConfig"});
  if (row->body.contains("Variants")) {
    Json summaries = Json::array();
    for (const VariantSpec& v : serving::variant_specs(row->body["Variants"]))
      summaries.push_back(serving::summary_of(v));
    answer["ProductionVariants"] = std::move(summaries);
  }
  return answer;
}

Json list_endpoints(const Json& input, HostingDeps& deps) {
  return list_answer(deps.endpoints.list(list_query(input)), "Endpoints", [](const Resource& row) {
    return Json{{"EndpointName", row.name},
                {"EndpointArn", row.arn},
                {"EndpointStatus", row.status},
                {"CreationTime", epoch_seconds(row.created)},
                {"LastModifiedTime", epoch_seconds(row.modified)}};
  });
}

/// Runs `change` on the row of an endpoint that may move to `next`, then makes it so.
/// The state is checked and changed in one transaction: of two simultaneous updates one is refused.
Json change_endpoint(const std::string& name, std::string_view next, const Caller& caller, HostingDeps& deps,
                     const std::function<void(Resource&)>& change) {
  const std::string arn = endpoint_arn(caller, name);
  const auto row = deps.endpoints.update(name, [&](Resource& now) {
    if (!serving::kEndpointStates.can_move(now.status, next)) {
      if (now.status == status::kFailed)
        throw invalid("Cannot update endpoint \"" + arn + "\" in status Failed. Delete it and create it again.");
      throw invalid("Cannot update in-progress endpoint \"" + arn + "\".");
    }
    change(now);
    now.status = next;
  });
  if (!row) throw could_not_find("endpoint", arn);
  deps.settle_endpoint(name);
  return {{"EndpointArn", row->arn}};
}

/// RetainAllVariantProperties: counts and weights of variants that live on stay as they are, unless excluded.
void retain_properties(const Json& input, const Resource& row, std::vector<VariantSpec>& variants) {
  if (!input.value("RetainAllVariantProperties", false)) return;
  std::set<std::string> excluded;
  for (const Json& property : input.value("ExcludeRetainedVariantProperties", Json::array()))
    excluded.insert(property.at("VariantPropertyType").get<std::string>());
  for (const VariantSpec& old : serving::variant_specs(row.body.at("Variants"))) {
    // By name: variants that are new keep what the configuration asks for.
    for (VariantSpec& v : variants) {
      if (v.name != old.name) continue;
      if (!excluded.contains("DesiredInstanceCount")) v.desired_count = old.desired_count;
      if (!excluded.contains("DesiredWeight")) v.desired_weight = old.desired_weight;
    }
  }
}

Json update_endpoint(const Json& input, const Caller& caller, HostingDeps& deps) {
  const std::string name = input["EndpointName"], config = input["EndpointConfigName"];
  // For the error only; change_endpoint() looks again inside its transaction.
  if (!deps.endpoints.find(name)) throw could_not_find("endpoint", endpoint_arn(caller, name));
  auto variants = variants_of(config, caller, deps);
  return change_endpoint(name, status::kUpdating, caller, deps, [&](Resource& row) {
    // Inside the transaction: it needs the counts that the row has now.
    retain_properties(input, row, variants);
    row.body["Pending"] = {{"EndpointConfigName", config},
                           {"Generation", serving::new_generation()},
                           {"Variants", serving::to_json(variants)}};
    if (input.contains("DeploymentConfig")) row.body["LastDeploymentConfig"] = input["DeploymentConfig"];
  });
}

Json update_weights(const Json& input, const Caller& caller, HostingDeps& deps) {
  const Json& desired = input["DesiredWeightsAndCapacities"];
  std::set<std::string> names;
  for (const Json& one : desired) {
    const std::string variant = one["VariantName"];
    if (!names.insert(variant).second)
      throw invalid("The variant name \"" + variant + "\" was non-unique within the request.");
    if (one.contains("DesiredInstanceCount") && one["DesiredInstanceCount"].get<int>() < 1)
      throw invalid("DesiredInstanceCount of variant \"" + variant +
                    "\": 0 is not supported by this server; set DesiredWeight to 0 instead.");
  }
  return change_endpoint(input["EndpointName"], status::kUpdating, caller, deps, [&](Resource& row) {
    auto variants = serving::variant_specs(row.body.at("Variants"));
    std::string unknown;
    for (const Json& one : desired) {
      const auto found = std::find_if(variants.begin(), variants.end(), [&](const VariantSpec& v) {
        return v.name == one["VariantName"].get<std::string>();
      });
      if (found == variants.end()) {
        unknown += (unknown.empty() ? "\"" : ",\"") + one["VariantName"].get<std::string>() + "\"";
        continue;
      }
      found->desired_weight = one.value("DesiredWeight", found->desired_weight);
      found->desired_count = one.value("DesiredInstanceCount", found->desired_count);
    }
    if (!unknown.empty())
      throw invalid("The variant name(s) " + unknown + " is/are not present within endpoint configuration \"" +
                    resource_arn(caller, "endpoint-config", row.body["EndpointConfigName"].get<std::string>()) + "\".");
    // Desired values go into Variants at once (DescribeEndpoint shows them); current values follow when the fleet has
    // changed.
    row.body["Variants"] = serving::to_json(variants);
    row.body["Pending"] = {{"Capacity", true}};
  });
}

Json delete_endpoint(const Json& input, const Caller& caller, HostingDeps& deps) {
  change_endpoint(input["EndpointName"], status::kDeleting, caller, deps, [](Resource&) {});
  return nullptr;
}

}  // namespace

Operations endpoint_operations(HostingDeps& deps) {
  return {
      {"CreateEndpoint", [&](const Json& in, const Caller& who) { return create_endpoint(in, who, deps); }},
      {"DescribeEndpoint", [&](const Json& in, const Caller& who) { return describe_endpoint(in, who, deps); }},
      {"ListEndpoints", [&](const Json& in, const Caller&) { return list_endpoints(in, deps); }},
      {"UpdateEndpoint", [&](const Json& in, const Caller& who) { return update_endpoint(in, who, deps); }},
      {"UpdateEndpointWeightsAndCapacities",
       [&](const Json& in, const Caller& who) { return update_weights(in, who, deps); }},
      {"DeleteEndpoint", [&](const Json& in, const Caller& who) { return delete_endpoint(in, who, deps); }},
  };
}

}  // namespace clary::sagemaker
