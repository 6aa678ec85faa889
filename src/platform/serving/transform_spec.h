// SPDX-License-Identifier: Apache-2.0
// A CreateTransformJob request as the engine reads it: defaults filled, rules checked.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "platform/serving/model_artifact.h"
#include "platform/serving/payload_reader.h"

namespace clary::serving {

/// GET /execution-parameters of a container, or what the request says; absent members say nothing.
struct ExecutionParameters {
  std::optional<int> max_concurrent, max_payload_mb;
  std::optional<BatchStrategy> strategy;
};

/// Anything unreadable counts as absent.
ExecutionParameters parse_execution_parameters(std::string_view json);

struct TransformSpec {
  Json source;  // S3DataSource
  std::string output_path;
  std::optional<std::string> content_type, accept;
  bool gzip = false;
  std::string instance_type;
  int instance_count = 1;
  std::chrono::milliseconds timeout{600'000};  // ModelClientConfig.InvocationsTimeoutInSeconds
  int max_retries = 3;
  ExecutionParameters asked;
  BatchRules rules;  // strategy and max_payload_bytes are settled by settle()
  std::map<std::string, std::string> environment;
};

/// @param request  validated against the service model
/// @throws Error{kInvalid} with the text of a ValidationException
TransformSpec transform_spec(const Json& request);

struct Settled {
  int max_concurrent = 1, max_payload_mb = 6;
  BatchStrategy strategy = BatchStrategy::kMultiRecord;
};
/// Request before container before default (1, MULTI_RECORD, 6).
Settled settle(const ExecutionParameters& request, const ExecutionParameters& container);

/// TransformInput, TransformOutput and DataProcessing with their defaults, as DescribeTransformJob shows them.
Json with_defaults(const Json& request);

/// The limit of one request; 0 MB means none (1 GiB here).
std::uint64_t payload_bytes(int megabytes);

std::string_view name_of(BatchStrategy strategy);  // "MULTI_RECORD"

}  // namespace clary::serving
