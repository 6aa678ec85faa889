// SPDX-License-Identifier: Apache-2.0
// AddTags, ListTags, DeleteTags on the ARN of any resource this server holds.
#include <algorithm>
#include <array>

#include "platform/aws/service_error.h"
#include "platform/services/sagemaker/training.h"

namespace clary::sagemaker {

namespace {

struct KindRow {
  std::string_view kind;   // in the ARN
  std::string_view table;  // has a column `arn`
  std::string_view words;  // in the message; "" for the kinds that answer "Requested resource not found."
};
constexpr auto kKinds = std::to_array<KindRow>({
    {"training-job", "training_jobs", ""},
    {"transform-job", "serving_transform_jobs", ""},
    {"model", "serving_models", "model"},
    {"endpoint-config", "serving_endpoint_configs", "endpoint configuration"},
    {"endpoint", "serving_endpoints", "endpoint"},
});

/// @throws ServiceError when there is nothing of that ARN
std::string existing_arn(const Json& input, store::Database& database) {
  const std::string arn = input.at("ResourceArn");
  const auto slash = arn.find('/');
  const auto colon = arn.rfind(':', slash);
  const std::string kind =
      slash == std::string::npos || colon == std::string::npos ? "" : arn.substr(colon + 1, slash - colon - 1);
  const auto* row = std::find_if(kKinds.begin(), kKinds.end(), [&](const KindRow& k) { return k.kind == kind; });
  if (row != kKinds.end()) {
    const bool found = database.read([&](store::Connection& connection) {
      auto statement = connection.prepare("SELECT 1 FROM " + std::string(row->table) + " WHERE arn = ?1");
      return statement.bind(arn).step();
    });
    if (found) return arn;
    if (!row->words.empty())
      throw aws::ServiceError(aws::Code::kValidationException,
                              "Could not find " + std::string(row->words) + " \"" + arn + "\".");
  }
  throw aws::ServiceError(aws::Code::kValidationException, "Requested resource not found.");
}

}  // namespace

Operations tag_operations(resources::TagTable& tags, store::Database& database) {
  return {
      {"AddTags",
       [&](const Json& in, const aws::Caller&) {
         const std::string arn = existing_arn(in, database);
         return Json{{"Tags", resources::to_json(tags.add(arn, resources::parse_tags(in.at("Tags"))))}};
       }},
      {"ListTags",
       [&](const Json& in, const aws::Caller&) {
         return Json{{"Tags", resources::to_json(tags.list(existing_arn(in, database)))}};
       }},
      {"DeleteTags",
       [&](const Json& in, const aws::Caller&) {
         tags.remove(existing_arn(in, database), in.at("TagKeys").get<std::vector<std::string>>());
         return Json(Json::object());
       }},
  };
}

}  // namespace clary::sagemaker
