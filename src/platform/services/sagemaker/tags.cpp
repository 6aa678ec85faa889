// SPDX-License-Identifier: Apache-2.0
// AddTags, ListTags, DeleteTags on the ARN of any resource this server holds.
#include "platform/aws/service_error.h"
#include "platform/resources/resource.h"
#include "platform/services/sagemaker/hosting.h"
#include "platform/services/sagemaker/training.h"

namespace clary::sagemaker {

namespace {

using resources::ResourceKind;

/// AWS has one sentence for jobs and for ARNs that name no kind, another for the rest.
aws::ServiceError no_such(const std::string& arn) {
  switch (resources::kind_of_arn(arn).value_or(ResourceKind::kTrainingJob)) {
    case ResourceKind::kModel:
      return could_not_find("model", arn);
    case ResourceKind::kEndpointConfig:
      return could_not_find("endpoint configuration", arn);
    case ResourceKind::kEndpoint:
      return could_not_find("endpoint", arn);
    case ResourceKind::kTrainingJob:
    case ResourceKind::kTransformJob:
      break;
  }
  return {aws::Code::kValidationException, "Requested resource not found."};
}

Json add_tags(const Json& input, resources::ResourceTags& tags) {
  const std::string arn = input.at("ResourceArn");
  const auto all = tags.add(arn, resources::parse_tags(input.at("Tags")));
  if (!all) throw no_such(arn);
  return {{"Tags", resources::to_json(*all)}};
}

Json list_tags(const Json& input, resources::ResourceTags& tags) {
  const std::string arn = input.at("ResourceArn");
  const auto all = tags.list(arn);
  if (!all) throw no_such(arn);
  return {{"Tags", resources::to_json(*all)}};
}

// Keys that are not there are no error.
Json delete_tags(const Json& input, resources::ResourceTags& tags) {
  const std::string arn = input.at("ResourceArn");
  if (!tags.remove(arn, input.at("TagKeys").get<std::vector<std::string>>())) throw no_such(arn);
  return Json::object();
}

}  // namespace

Operations tag_operations(resources::ResourceTags& tags) {
  return {
      {"AddTags", [&](const Json& in, const aws::Caller&) { return add_tags(in, tags); }},
      {"ListTags", [&](const Json& in, const aws::Caller&) { return list_tags(in, tags); }},
      {"DeleteTags", [&](const Json& in, const aws::Caller&) { return delete_tags(in, tags); }},
  };
}

}  // namespace clary::sagemaker
