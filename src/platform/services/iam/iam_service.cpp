// SPDX-License-Identifier: Apache-2.0
#include "platform/services/iam/iam_service.h"

#include "base/hash.h"
#include "base/text.h"
#include "platform/aws/service_error.h"

namespace clary::services {

namespace {

constexpr const char* kTrustPolicy =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},)"
    R"("Action":"sts:AssumeRole"}]})";

std::string element(const std::string& name, const std::string& text) {
  return "<" + name + ">" + aws::xml_escaped(text) + "</" + name + ">";
}

std::string get_role(const aws::Form& form, const aws::Caller& caller) {
  const auto name = form.find("RoleName");
  if (name == form.end() || name->second.empty() || name->second.size() > 64)
    throw aws::ServiceError(aws::Code::kValidationError, "RoleName must have 1 to 64 characters.");
  // Roles that the console makes lie below this path.
  const std::string path =
      name->second.find("AmazonSageMaker-ExecutionRole") == std::string::npos ? "/" : "/service-role/";
  std::string id = to_hex(sha256(name->second)).substr(0, 17);
  for (char& c : id) c = static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
  return "<Role>" + element("Path", path) + element("RoleName", name->second) + element("RoleId", "AROA" + id) +
         element("Arn", "arn:" + std::string(aws::partition_of(caller.region)) + ":iam::" + caller.account + ":role" +
                            path + name->second) +
         element("CreateDate", "2020-01-01T00:00:00Z") +
         element("AssumeRolePolicyDocument", percent_encoded(kTrustPolicy)) + element("MaxSessionDuration", "3600") +
         "</Role>";
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
