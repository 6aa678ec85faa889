// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/transform_spec.h"

#include <algorithm>

#include "base/text.h"
#include "contract/layout.h"
#include "platform/objects/s3_uri.h"

namespace clary::serving {
namespace {

constexpr int kMaxMegabytesInFlight = 100;  // AWS: MaxConcurrentTransforms x MaxPayloadInMB
constexpr int kMostConcurrent = 64;         // Clary's limit, for containers that ask for more
constexpr std::uint64_t kMegabyte = 1ULL << 20;
constexpr std::uint64_t kUnlimitedPayload = 1ULL << 30;  // Clary's limit: MaxPayloadInMB 0 means "no limit"

Error invalid(const std::string& message) { return Error(Kind::kInvalid, message); }

std::optional<int> integer(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_integer()) return std::nullopt;
  // Range-checked as 64 bits before the narrowing: the number may come from a container.
  const auto value = found->get<std::int64_t>();
  return value < 0 || value > 1'000'000 ? std::nullopt : std::optional(static_cast<int>(value));
}

std::optional<BatchStrategy> strategy_named(std::string_view text) {
  // Both spellings: the API uses the first, containers the second (container contract, GET /execution-parameters).
  if (text == "MultiRecord" || text == "MULTI_RECORD") return BatchStrategy::kMultiRecord;
  if (text == "SingleRecord" || text == "SINGLE_RECORD") return BatchStrategy::kSingleRecord;
  return std::nullopt;
}

std::string media_type(const std::optional<std::string>& type) {
  return type ? lower(trimmed(split(*type, ';')[0])) : "";
}

std::optional<DataProcessing> data_processing(const Json& request, const TransformSpec& spec) {
  // Only the combinations that have a defined meaning are accepted: filters need a parser for both sides, and records
  // can be matched with answers only where both are split by lines or not at all.
  const Json processing = request.value("DataProcessing", Json::object());
  const std::string input = processing.value("InputFilter", "$"), output = processing.value("OutputFilter", "$");
  const bool join = processing.value("JoinSource", "None") == "Input";
  // Everything at its default is the same as no DataProcessing: records then pass without being parsed.
  if (!join && (input.empty() || input == "$") && (output.empty() || output == "$")) return std::nullopt;
  const std::string type = media_type(spec.content_type);
  if (type != "text/csv" && type != "application/json" && type != "application/jsonlines")
    throw invalid(
        "DataProcessing needs ContentType text/csv, application/json or application/jsonlines, but ContentType is \"" +
        spec.content_type.value_or("") + "\".");
  if (media_type(spec.accept) != type)
    throw invalid("DataProcessing needs equal ContentType and Accept, but ContentType is \"" + *spec.content_type +
                  "\" and Accept is \"" + spec.accept.value_or("") + "\".");
  const bool line_in = spec.rules.split == SplitType::kLine, line_out = spec.rules.assembly == Assembly::kLine;
  if (line_in != line_out || (!line_in && spec.rules.split != SplitType::kNone))
    throw invalid("DataProcessing needs equal SplitType and AssembleWith (both Line, or both None).");
  const RecordForm form = type == "text/csv" ? RecordForm::kCsv : RecordForm::kJson;
  return DataProcessing(form, input.empty() ? "$" : input, output.empty() ? "$" : output, join);
}

}  // namespace

ExecutionParameters parse_execution_parameters(std::string_view json) {
  ExecutionParameters parameters;
  Json document;
  try {
    document = parse_json(json);
  } catch (const Error&) {
    // A container's answer is a hint: one that cannot be read is ignored as AWS does, the defaults apply.
    return parameters;
  }
  if (!document.is_object()) return parameters;
  parameters.max_concurrent = integer(document, "MaxConcurrentTransforms");
  parameters.max_payload_mb = integer(document, "MaxPayloadInMB");
  if (const auto found = document.find("BatchStrategy"); found != document.end() && found->is_string())
    parameters.strategy = strategy_named(found->get<std::string>());
  return parameters;
}

TransformSpec transform_spec(const Json& request) {
  TransformSpec spec;
  const Json& input = request.at("TransformInput");
  const Json& output = request.at("TransformOutput");
  spec.source = input.at("DataSource").at("S3DataSource");
  const std::string data_type = spec.source.at("S3DataType"), uri = spec.source.at("S3Uri");
  if (data_type != "S3Prefix" && data_type != "ManifestFile")
    throw invalid("S3DataType " + data_type + " is not supported for transform jobs; use S3Prefix or ManifestFile.");
  if (!objects::parse_s3_uri(uri)) throw invalid("S3Uri \"" + uri + "\" is not an S3 address.");
  spec.output_path = output.at("S3OutputPath");
  if (!objects::parse_s3_uri(spec.output_path))
    throw invalid("S3OutputPath \"" + spec.output_path + "\" is not an S3 address.");
  if (input.contains("ContentType")) spec.content_type = input["ContentType"];
  if (output.contains("Accept")) spec.accept = output["Accept"];
  spec.gzip = input.value("CompressionType", "None") == "Gzip";
  spec.rules.split = parse_split_type(input.value("SplitType", "None")).value_or(SplitType::kNone);
  spec.rules.assembly = output.value("AssembleWith", "None") == "Line" ? Assembly::kLine : Assembly::kNone;
  spec.instance_type = request.at("TransformResources").value("InstanceType", "");
  spec.instance_count = request.at("TransformResources").value("InstanceCount", 1);
  const Json client = request.value("ModelClientConfig", Json::object());
  spec.timeout = std::chrono::seconds(client.value("InvocationsTimeoutInSeconds", 600));
  spec.max_retries = client.value("InvocationsMaxRetries", 3);
  spec.asked.max_concurrent = integer(request, "MaxConcurrentTransforms");
  spec.asked.max_payload_mb = integer(request, "MaxPayloadInMB");
  spec.asked.strategy = strategy_named(request.value("BatchStrategy", ""));
  if (spec.asked.max_payload_mb.value_or(0) > kMaxMegabytesInFlight)
    throw invalid("MaxPayloadInMB " + std::to_string(*spec.asked.max_payload_mb) + " exceeds 100.");
  // The product bounds the memory of an instance's window; 6 MB is the service's default payload.
  const std::int64_t in_flight =
      std::int64_t{spec.asked.max_concurrent.value_or(1)} * spec.asked.max_payload_mb.value_or(6);
  if (spec.asked.max_concurrent && in_flight > kMaxMegabytesInFlight)
    throw invalid("MaxConcurrentTransforms " + std::to_string(*spec.asked.max_concurrent) + " times MaxPayloadInMB " +
                  std::to_string(spec.asked.max_payload_mb.value_or(6)) + " exceeds 100 MB.");
  const std::string type = media_type(spec.content_type);
  spec.rules.skip_blank_lines = type == "text/csv" || type == "application/jsonlines" || type == "application/json";
  spec.rules.processing = data_processing(request, spec);
  spec.environment = request.value("Environment", std::map<std::string, std::string>{});
  // What the container contract lists for batch transform; only what the request states, so that a container can
  // distinguish its own default from a user's choice.
  spec.environment[contract::kEnvBatch] = "true";
  if (spec.asked.max_payload_mb)
    spec.environment[contract::kEnvMaxPayloadInMb] = std::to_string(*spec.asked.max_payload_mb);
  if (spec.asked.strategy) spec.environment[contract::kEnvBatchStrategy] = name_of(*spec.asked.strategy);
  if (spec.asked.max_concurrent)
    spec.environment[contract::kEnvMaxConcurrentTransforms] = std::to_string(*spec.asked.max_concurrent);
  return spec;
}

Settled settle(const ExecutionParameters& request, const ExecutionParameters& container) {
  Settled s;
  // 0 is the API's word for "the container decides".
  s.max_concurrent = request.max_concurrent.value_or(0);
  if (s.max_concurrent == 0) s.max_concurrent = container.max_concurrent.value_or(1);
  s.max_concurrent = std::clamp(s.max_concurrent, 1, kMostConcurrent);
  s.max_payload_mb = request.max_payload_mb ? *request.max_payload_mb : container.max_payload_mb.value_or(6);
  s.strategy = request.strategy ? *request.strategy : container.strategy.value_or(BatchStrategy::kMultiRecord);
  return s;
}

std::uint64_t payload_bytes(int megabytes) {
  return megabytes == 0 ? kUnlimitedPayload : static_cast<std::uint64_t>(megabytes) * kMegabyte;
}

Json with_defaults(const Json& request) {
  Json answer = request;
  answer["TransformInput"].emplace("CompressionType", "None");
  answer["TransformInput"].emplace("SplitType", "None");
  answer["TransformOutput"].emplace("AssembleWith", "None");
  answer["TransformOutput"].emplace("KmsKeyId", "");
  Json& processing = answer["DataProcessing"];
  if (processing.is_null()) processing = Json::object();
  processing.emplace("InputFilter", "$");
  processing.emplace("OutputFilter", "$");
  processing.emplace("JoinSource", "None");
  return answer;
}

std::string_view name_of(BatchStrategy strategy) {
  return strategy == BatchStrategy::kMultiRecord ? "MULTI_RECORD" : "SINGLE_RECORD";
}

}  // namespace clary::serving
