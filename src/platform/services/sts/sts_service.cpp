// SPDX-License-Identifier: Apache-2.0
#include "platform/services/sts/sts_service.h"

#include <charconv>

#include "base/hash.h"
#include "base/text.h"
#include "platform/aws/service_error.h"
#include "platform/aws/xml.h"

namespace clary::services {

namespace {

using aws::Caller;
using aws::Form;

std::string sts_arn(const Caller& caller, const std::string& role, const std::string& session) {
  return "arn:" + std::string(aws::partition_of(caller.region)) + ":sts::" + caller.account + ":assumed-role/" + role +
         "/" + session;
}

/// "AROA" and 17 characters that depend on the role alone.
std::string role_id(const std::string& role) {
  std::string id = to_hex(sha256(role)).substr(0, 17);
  for (char& c : id) c = static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
  return "AROA" + id;
}

std::string get_caller_identity(const Caller& caller) {
  aws::Xml xml;
  xml.element("Arn", sts_arn(caller, kExecutionRole, "SageMaker"));
  xml.element("UserId", role_id(kExecutionRole) + ":SageMaker").element("Account", caller.account);
  return xml.finish();
}

std::chrono::seconds lifetime(const Form& form) {
  const auto found = form.find("DurationSeconds");
  if (found == form.end()) return std::chrono::hours(1);
  int seconds = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 900 || seconds > 129'600)
    throw aws::ServiceError(aws::Code::kValidationError,
                            "DurationSeconds: '" + text + "' must be a number between 900 and 129600");
  return std::chrono::seconds(seconds);
}

void add_credentials(aws::Xml& xml, const aws::TemporaryKey& key) {
  xml.open("Credentials").element("AccessKeyId", key.key.id).element("SecretAccessKey", key.key.secret);
  xml.element("SessionToken", key.session_token).element("Expiration", iso8601_ms(key.expires)).close();
}

// No trust policy is evaluated: a holder of any key of this server may take any role, which changes nothing but the
// ARN it is shown.
std::string assume_role(const Form& form, const Caller& caller, aws::Credentials& credentials) {
  const auto arn = form.find("RoleArn"), session = form.find("RoleSessionName");
  if (arn == form.end() || arn->second.find(":role/") == std::string::npos)
    throw aws::ServiceError(aws::Code::kValidationError, "RoleArn must be the ARN of a role.");
  if (session == form.end() || session->second.empty())
    throw aws::ServiceError(aws::Code::kValidationError, "RoleSessionName must be given.");
  // A role's path is dropped, as in AWS's assumed-role ARNs.
  const std::string role = arn->second.substr(arn->second.rfind('/') + 1);
  aws::Xml xml;
  add_credentials(xml, credentials.issue_temporary(lifetime(form)));
  xml.open("AssumedRoleUser").element("AssumedRoleId", role_id(role) + ":" + session->second);
  xml.element("Arn", sts_arn(caller, role, session->second));
  return xml.finish();
}

std::string get_session_token(const Form& form, aws::Credentials& credentials) {
  aws::Xml xml;
  add_credentials(xml, credentials.issue_temporary(lifetime(form)));
  return xml.finish();
}

}  // namespace

aws::QueryService sts_service(aws::Credentials& credentials) {
  aws::QueryService service;
  service.name = "sts";
  service.xmlns = "https://sts.amazonaws.com/doc/2011-06-15/";
  service.version = "2011-06-15";
  service.operations = {
      {"GetCallerIdentity", [](const Form&, const Caller& caller) { return get_caller_identity(caller); }},
      {"AssumeRole", [&](const Form& form, const Caller& caller) { return assume_role(form, caller, credentials); }},
      {"GetSessionToken", [&](const Form& form, const Caller&) { return get_session_token(form, credentials); }},
  };
  return service;
}

}  // namespace clary::services
