// SPDX-License-Identifier: Apache-2.0
// What a service hands to the edge: a table from operation names to functions. The functions run on the worker pool and
// may block; they return values or throw Error / ServiceError, and never see the connection.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/json.h"
#include "platform/aws/caller.h"

namespace clary::aws {

/// Input already satisfies the service model: required members, types, lengths, patterns, ranges, enums.
/// A null result is answered with an empty body (operations without output).
using JsonOperation = std::function<Json(const Json& input, const Caller&)>;

/// AWS JSON 1.0/1.1: POST / with X-Amz-Target: <target_prefix>.<Operation>.
struct JsonService {
  std::string target_prefix;  // "SageMaker", "Logs_20140328", "GraniteServiceVersion20100801"
  std::string model;          // botocore's name of the service: "sagemaker", "logs", "cloudwatch"
  std::map<std::string, JsonOperation, std::less<>> operations;
  /// Also answer the query protocol (form in, XML out) by converting through the model; CloudWatch's old clients.
  bool also_query = false;
};

using Form = std::map<std::string, std::string>;
/// @return the inner XML of <OperationResult>, as an Xml fragment
using QueryOperation = std::function<std::string(const Form& form, const Caller&)>;

/// AWS query protocol: POST / with Action=<Operation>&Version=<version>.
struct QueryService {
  std::string name;  // of the credential scope and of botocore's model: "sts", "iam"
  std::string xmlns;
  std::string version;
  std::map<std::string, QueryOperation, std::less<>> operations;
};

}  // namespace clary::aws
