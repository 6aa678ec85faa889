// SPDX-License-Identifier: Apache-2.0
#include "platform/services/iam/iam_service.h"

#include <string>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "platform/aws/service_error.h"
#include "platform/aws/xml.h"

namespace clary::services {

namespace {

constexpr const char* kTrustPolicy =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},)"
    R"("Action":"sts:AssumeRole"}]})";

// Roles are not kept: every name exists, with an id that depends on the name alone, because SDKs only want the ARN.
std::string get_role(const aws::Form& form, const aws::Caller& caller) {
  const auto name = form.find("RoleName");
  if (name == form.end() || name->second.empty() || name->second.size() > 64)
    throw aws::ServiceError(aws::Code::kValidationError, "RoleName must have 1 to 64 characters.");
  // Roles that the console makes are below this path.
  const std::string path =
      name->second.find("AmazonSageMaker-ExecutionRole") == std::string::npos ? "/" : "/service-role/";
  std::string id = to_hex(sha256(name->second)).substr(0, 17);
  for (char& c : id) c = static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
  const std::string arn = "arn:" + std::string(aws::partition_of(caller.region)) + ":iam::" + caller.account + ":role" +
                          path + name->second;
  aws::Xml xml;
  xml.open("Role").element("Path", path).element("RoleName", name->second).element("RoleId", "AROA" + id);
  xml.element("Arn", arn).element("CreateDate", "2020-01-01T00:00:00Z");
  xml.element("AssumeRolePolicyDocument", percent_encoded(kTrustPolicy)).element("MaxSessionDuration", 3600);
  return xml.finish();
}

constexpr std::size_t kMaxSimulated = 1000;  // actions of one call; the SDK asks for some twenty

/// The members of a list: ActionNames.member.1, .2, ...; or the one that an empty list stands for.
std::vector<std::string> members(const aws::Form& form, const std::string& list, const std::string& otherwise) {
  std::vector<std::string> out;
  for (std::size_t i = 1; i <= kMaxSimulated; ++i) {
    const auto found = form.find(list + ".member." + std::to_string(i));
    if (found == form.end()) break;
    out.push_back(found->second);
  }
  if (out.empty() && !otherwise.empty()) out.push_back(otherwise);
  return out;
}

// A holder of an access key of this server may do everything that the server does: there are no policies to simulate,
// and every action is allowed on every resource. SageMaker's SDK asks before it starts a job or builds a model.
std::string simulate_principal_policy(const aws::Form& form, const aws::Caller&) {
  const auto source = form.find("PolicySourceArn");
  if (source == form.end() || !source->second.starts_with("arn:"))
    throw aws::ServiceError(aws::Code::kValidationError, "PolicySourceArn must be the ARN of a user, group or role.");
  const std::vector<std::string> actions = members(form, "ActionNames", "");
  if (actions.empty()) throw aws::ServiceError(aws::Code::kValidationError, "ActionNames must have a member.");
  const std::vector<std::string> resources = members(form, "ResourceArns", "*");
  aws::Xml xml;
  xml.open("EvaluationResults");
  for (const std::string& action : actions)
    for (const std::string& resource : resources) {
      xml.open("member").element("EvalActionName", action).element("EvalResourceName", resource);
      xml.element("EvalDecision", "allowed").open("MatchedStatements").close().open("MissingContextValues").close();
      xml.close();
    }
  xml.close().element("IsTruncated", "false");
  return xml.finish();
}

}  // namespace

aws::QueryService iam_service() {
  aws::QueryService service;
  service.name = "iam";
  service.xmlns = "https://iam.amazonaws.com/doc/2010-05-08/";
  service.version = "2010-05-08";
  service.operations = {{"GetRole", get_role}, {"SimulatePrincipalPolicy", simulate_principal_policy}};
  return service;
}

}  // namespace clary::services
