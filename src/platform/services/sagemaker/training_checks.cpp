// SPDX-License-Identifier: Apache-2.0
// What CreateTrainingJob checks at once, before the job exists (control-plane.md section 5.1).
#include <algorithm>
#include <set>

#include "platform/agent/metric_extractor.h"
#include "platform/aws/service_error.h"
#include "platform/objects/s3_uri.h"
#include "platform/services/sagemaker/environment.h"
#include "platform/services/sagemaker/training.h"

namespace clary::sagemaker {

namespace {

constexpr std::int64_t kMaxRuntime = 28 * 86'400;  // AWS limit: 28 days
constexpr std::int64_t kDefaultRuntime = 86'400;
constexpr std::int64_t kMaxInstances = 250;  // addresses of a job's loopback network, see launch.cpp

aws::ServiceError invalid(const std::string& message) { return {aws::Code::kValidationException, message}; }

aws::ServiceError constraint(const std::string& value, const std::string& path, const std::string& rule) {
  return invalid("1 validation error detected: Value " + (value == "null" ? value : "'" + value + "'") + " at '" +
                 path + "' failed to satisfy constraint: " + rule);
}

// Every regular expression is compiled now: one that RE2 refuses would silently match nothing in the agent.
void check_algorithm(const Json& algorithm, const Json& input, const TrainingDeps& deps) {
  const bool image = algorithm.contains("TrainingImage"), name = algorithm.contains("AlgorithmName");
  if (image == name)
    throw invalid("Exactly one of TrainingImage and AlgorithmName must be given in AlgorithmSpecification.");
  if (name) throw invalid("AlgorithmName is not supported by this server: give a TrainingImage.");
  const auto entry = deps.catalog.resolve(algorithm["TrainingImage"].get<std::string>());
  if (entry->builtin && input.value("InputDataConfig", Json::array()).empty())
    throw invalid("InputDataConfig is required for the built-in algorithm " + entry->name + ".");
  std::set<std::string> names;
  for (const Json& metric : algorithm.value("MetricDefinitions", Json::array())) {
    const std::string metric_name = metric.at("Name"), regex = metric.at("Regex");
    if (!names.insert(metric_name).second)
      throw invalid("The metric name \"" + metric_name + "\" is given twice in MetricDefinitions.");
    if (const auto problem = agent::regex_problem(regex))
      throw invalid("The regular expression \"" + regex + "\" of metric \"" + metric_name +
                    "\" cannot be used: " + *problem + ".");
  }
}

/// At least one object that is not a folder marker.
/// A prefix may begin with thousands of folder markers, hence the pages.
bool has_objects(const objects::S3Uri& at, bool prefix, objects::ObjectStore& store) {
  if (!store.bucket(at.bucket)) return false;
  if (!prefix) return store.head(at.bucket, at.key).has_value();
  objects::ListQuery query;
  query.prefix = at.key;
  for (;;) {
    const objects::Listing listing = store.list(at.bucket, query);
    for (const objects::ObjectInfo& object : listing.objects)
      if (!object.key.ends_with('/')) return true;
    if (!listing.truncated) return false;
    query.after = listing.next;
  }
}

void check_source(const Json& source, const std::string& region, const std::string& role, const TrainingDeps& deps) {
  const std::string uri = source.at("S3Uri"), type = source.at("S3DataType");
  if (type != "S3Prefix" && type != "ManifestFile" && type != "AugmentedManifestFile")
    throw invalid("S3DataType " + type +
                  " is not supported by this server: use S3Prefix, ManifestFile or AugmentedManifestFile.");
  const auto at = objects::parse_s3_uri(uri);
  if (!at) throw invalid("The S3 URI \"" + uri + "\" given in input data source is not a valid S3 address.");
  if (!has_objects(*at, type == "S3Prefix", deps.objects))
    throw invalid("No S3 objects found under S3 URL \"" + uri +
                  "\" given in input data source. Please ensure that the bucket exists in the selected region (" +
                  region + "), that objects exist under that S3 prefix, and that the role \"" + role +
                  "\" has \"s3:ListBucket\" permissions on bucket \"" + at->bucket + "\".");
}

/// An augmented manifest is passed on attribute by attribute, which only a pipe can do.
void check_augmented_manifest(const std::string& channel, const Json& source, const std::string& mode) {
  if (source.at("S3DataType") != "AugmentedManifestFile") return;
  if (!source.contains("AttributeNames") || source["AttributeNames"].empty())
    throw invalid("Channel " + channel + ": AttributeNames must be given when S3DataType is AugmentedManifestFile.");
  if (mode != "Pipe")
    throw invalid("Channel " + channel + ": S3DataType AugmentedManifestFile needs InputMode Pipe, not " + mode + ".");
}

/// Fills the defaults that DescribeTrainingJob shows.
void check_channel(Json& channel, const std::string& default_mode, const std::string& region, const std::string& role,
                   const TrainingDeps& deps) {
  const std::string name = channel.at("ChannelName");
  Json& source = channel.at("DataSource");
  if (!source.contains("S3DataSource")) throw invalid("Channel " + name + ": this server supports S3DataSource only.");
  check_source(source["S3DataSource"], region, role, deps);
  source["S3DataSource"].emplace("S3DataDistributionType", "FullyReplicated");
  channel.emplace("CompressionType", "None");
  channel.emplace("RecordWrapperType", "None");
  const std::string mode = channel.value("InputMode", default_mode);
  check_augmented_manifest(name, source["S3DataSource"], mode);
  if (mode != "Pipe" && channel["CompressionType"] != "None")
    throw invalid("Channel " + name + ": CompressionType must be None in " + mode + " mode.");
}

// Channel names become folder names; the service model's pattern excludes slashes, but not "." and "..".
void check_channels(Json& request, const std::string& region, const TrainingDeps& deps) {
  if (!request.contains("InputDataConfig")) return;
  std::set<std::string> names;
  for (Json& channel : request["InputDataConfig"]) {
    const std::string name = channel.at("ChannelName");
    if (name == "." || name == "..") throw invalid("\"" + name + "\" cannot be the name of a channel.");
    if (!names.insert(name).second)
      throw invalid("The channel name \"" + name + "\" is given twice in InputDataConfig.");
    check_channel(channel, request["AlgorithmSpecification"].value("TrainingInputMode", "File"), region,
                  request.value("RoleArn", ""), deps);
  }
}

/// @param path  of the member, in the words of AWS's messages
void check_instance_count(std::int64_t count, const std::string& path) {
  if (count < 1) throw constraint(std::to_string(count), path, "Member must have value greater than or equal to 1");
  if (count > kMaxInstances)
    throw aws::ServiceError(aws::Code::kResourceLimitExceeded,
                            "This server runs at most " + std::to_string(kMaxInstances) +
                                " instances of one training job; " + path + " is " + std::to_string(count) + ".");
}

void check_resources(const Json& resources) {
  if (resources.contains("InstanceGroups") && !resources["InstanceGroups"].empty()) {
    if (resources.contains("InstanceType") || resources.contains("InstanceCount"))
      throw invalid("InstanceGroups cannot be given together with InstanceType and InstanceCount.");
    if (resources["InstanceGroups"].size() > 1)
      throw invalid("More than one instance group is not supported by this server.");
    check_instance_count(resources["InstanceGroups"][0].value("InstanceCount", std::int64_t{0}),
                         "resourceConfig.instanceGroups.1.member.instanceCount");
    return;
  }
  if (!resources.contains("InstanceType"))
    throw constraint("null", "resourceConfig.instanceType", "Member must not be null");
  check_instance_count(resources.value("InstanceCount", std::int64_t{0}), "resourceConfig.instanceCount");
}

void check_stopping(Json& request) {
  Json& stopping = request["StoppingCondition"];
  if (stopping.is_null()) stopping = Json::object();
  stopping.emplace("MaxRuntimeInSeconds", kDefaultRuntime);
  const std::int64_t runtime = stopping["MaxRuntimeInSeconds"];
  if (runtime > kMaxRuntime)
    throw constraint(std::to_string(runtime), "stoppingCondition.maxRuntimeInSeconds",
                     "Member must have value less than or equal to 2419200");
  if (!stopping.contains("MaxWaitTimeInSeconds")) return;
  if (!request.value("EnableManagedSpotTraining", false))
    throw invalid("MaxWaitTimeInSeconds can be given only when EnableManagedSpotTraining is true.");
  if (stopping["MaxWaitTimeInSeconds"].get<std::int64_t>() < runtime)
    throw invalid("MaxWaitTimeInSeconds must not be smaller than MaxRuntimeInSeconds.");
}

void check_output(Json& request, const TrainingDeps& deps) {
  Json& output = request.at("OutputDataConfig");
  const std::string path = output.at("S3OutputPath");
  const auto at = objects::parse_s3_uri(path);
  if (!at) throw invalid("The S3 output path \"" + path + "\" is not a valid S3 address.");
  if (!deps.objects.bucket(at->bucket))
    throw invalid("The bucket \"" + at->bucket + "\" of the S3 output path \"" + path + "\" does not exist.");
  output.emplace("KmsKeyId", "");
  output.emplace("CompressionType", "GZIP");
}

// LocalPath becomes a mount point inside the sandbox.
void check_checkpoints(const Json& request, const TrainingDeps& deps) {
  if (!request.contains("CheckpointConfig")) return;
  const Json& checkpoints = request["CheckpointConfig"];
  const std::string uri = checkpoints.at("S3Uri"), path = checkpoints.value("LocalPath", "/opt/ml/checkpoints");
  const auto at = objects::parse_s3_uri(uri);
  if (!at || !deps.objects.bucket(at->bucket))
    throw invalid("The bucket of CheckpointConfig.S3Uri \"" + uri + "\" does not exist.");
  // NUL: bubblewrap's arguments end there. A path that is not in normal form could leave its place.
  const std::filesystem::path local(path);
  if (path.find('\0') != std::string::npos || !local.is_absolute() || local.lexically_normal() != local ||
      local == "/" || path.ends_with('/'))
    throw invalid("CheckpointConfig.LocalPath \"" + path +
                  "\" must be an absolute path without \"..\" or a final slash.");
}

}  // namespace

// Returns the request with the defaults that DescribeTrainingJob shows; everything later reads this document.
Json checked_training_request(const Json& input, const std::string& region, const TrainingDeps& deps) {
  Json request = input;
  request.erase("Tags");
  for (const char* name : {"AlgorithmSpecification", "ResourceConfig"})
    if (!request.contains(name)) {
      std::string path = name;
      path[0] = static_cast<char>(path[0] - 'A' + 'a');
      throw constraint("null", path, "Member must not be null");
    }
  check_algorithm(request["AlgorithmSpecification"], request, deps);
  check_resources(request["ResourceConfig"]);
  check_stopping(request);
  check_output(request, deps);
  check_checkpoints(request, deps);
  check_environment(request);
  // Last, since it asks the store once for each channel.
  check_channels(request, region, deps);
  return request;
}

}  // namespace clary::sagemaker
