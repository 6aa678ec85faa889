// SPDX-License-Identifier: Apache-2.0
// One production variant as an endpoint's row keeps it: everything a deployment needs, so that models and
// configurations may be deleted while the endpoint goes on.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "platform/serving/model_artifact.h"

namespace clary::serving {

struct VariantSpec {
  std::string name, model_name;
  std::string instance_type;        // "" for a serverless variant
  Json container = Json::object();  // ContainerDefinition
  int current_count = 0, desired_count = 1;
  double current_weight = 0, desired_weight = 1;
  int startup_seconds = 240;
  EpochMs resolved = 0;
  Json serverless;  // ServerlessConfig, or null
};

Json to_json(const VariantSpec& variant);
VariantSpec variant_spec(const Json& document);
Json to_json(const std::vector<VariantSpec>& variants);
std::vector<VariantSpec> variant_specs(const Json& list);

/// From a ProductionVariant of a configuration and the row body of its model.
VariantSpec variant_spec(const Json& production_variant, const Json& model);

/// A name for the folder of the next deployment's models: random, and therefore new.
std::string new_generation();

/// The ProductionVariantSummary of DescribeEndpoint.
Json summary_of(const VariantSpec& variant);

}  // namespace clary::serving
