// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/variant_spec.h"

#include "base/hash.h"
#include "base/ids.h"

namespace clary::serving {

Json to_json(const VariantSpec& v) {
  return {{"VariantName", v.name},
          {"ModelName", v.model_name},
          {"InstanceType", v.instance_type},
          {"Container", v.container},
          {"CurrentInstanceCount", v.current_count},
          {"DesiredInstanceCount", v.desired_count},
          {"CurrentWeight", v.current_weight},
          {"DesiredWeight", v.desired_weight},
          {"StartupSeconds", v.startup_seconds},
          {"Resolved", v.resolved},
          {"ServerlessConfig", v.serverless}};
}

// Without InstanceType the variant is serverless.
VariantSpec variant_spec(const Json& d) {
  VariantSpec v;
  v.name = d.at("VariantName");
  v.model_name = d.at("ModelName");
  v.instance_type = d.value("InstanceType", "");
  v.container = d.at("Container");
  v.current_count = d.at("CurrentInstanceCount");
  v.desired_count = d.at("DesiredInstanceCount");
  v.current_weight = d.at("CurrentWeight");
  v.desired_weight = d.at("DesiredWeight");
  v.startup_seconds = d.at("StartupSeconds");
  v.resolved = d.at("Resolved");
  v.serverless = d.at("ServerlessConfig");
  return v;
}

Json to_json(const std::vector<VariantSpec>& variants) {
  Json list = Json::array();
  for (const VariantSpec& v : variants) list.push_back(to_json(v));
  return list;
}

std::vector<VariantSpec> variant_specs(const Json& list) {
  std::vector<VariantSpec> variants;
  for (const Json& document : list) variants.push_back(variant_spec(document));
  return variants;
}

VariantSpec variant_spec(const Json& production_variant, const Json& model) {
  VariantSpec v;
  v.name = production_variant.at("VariantName");
  v.model_name = production_variant.value("ModelName", "");
  v.instance_type = production_variant.value("InstanceType", "");
  v.container = model.at("PrimaryContainer");
  v.desired_count = production_variant.value("InitialInstanceCount", 1);
  v.desired_weight = production_variant.value("InitialVariantWeight", 1.0);
  v.startup_seconds = production_variant.value("ContainerStartupHealthCheckTimeoutInSeconds", 240);
  v.resolved = now_ms();
  if (production_variant.contains("ServerlessConfig")) v.serverless = production_variant["ServerlessConfig"];
  return v;
}

std::string new_generation() { return random_hex(8); }

Json summary_of(const VariantSpec& v) {
  const std::string image = v.container.value("Image", "");
  // Native programs have no image digest; the hash of the name keeps the form that clients expect.
  const std::string resolved = image.substr(0, image.rfind(':')) + "@sha256:" + to_hex(sha256(image));
  Json summary{
      {"VariantName", v.name},
      {"DeployedImages",
       Json::array(
           {{{"SpecifiedImage", image}, {"ResolvedImage", resolved}, {"ResolutionTime", epoch_seconds(v.resolved)}}})},
      {"CurrentWeight", v.current_weight},
      {"DesiredWeight", v.desired_weight},
      {"CurrentInstanceCount", v.current_count},
      {"DesiredInstanceCount", v.desired_count}};
  if (!v.serverless.is_null()) {
    summary["CurrentServerlessConfig"] = v.serverless;
    summary["DesiredServerlessConfig"] = v.serverless;
  }
  return summary;
}

}  // namespace clary::serving
