// SPDX-License-Identifier: Apache-2.0
#include "platform/services/iam/iam_service.h"

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

}  // namespace

aws::QueryService iam_service() {
  aws::QueryService service;
  service.name = "iam";
  service.xmlns = "https://iam.amazonaws.com/doc/2010-05-08/";
  service.version = "2010-05-08";
  service.operations = {{"GetRole", get_role}};
  return service;
}

}  // namespace clary::services
