// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/spec.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace clary::agent {

namespace {

// Lists, not objects: a channel may have millions of entries, and member names would be most of the file.
Json to_json(const std::vector<StagedObject>& objects) {
  Json list = Json::array();
  for (const StagedObject& object : objects)
    list.push_back({object.bucket, object.key, object.etag, object.file.string(), object.relative});
  return list;
}

std::vector<StagedObject> parse_objects(const Json& list) {
  std::vector<StagedObject> objects;
  for (const Json& item : list)
    objects.push_back({item.at(0), item.at(1), item.at(2), item.at(3).get<std::string>(), item.at(4)});
  return objects;
}

Json to_json(const AgentChannel& channel) {
  Json json{{"Name", channel.name},
            {"InputMode", contract::name_of(channel.config.input_mode)},
            {"Distribution", channel.config.distribution},
            {"RecordWrapper", channel.config.record_wrapper},
            {"Gzip", channel.gzip},
            {"DealEachEpoch", channel.deal_each_epoch},
            {"Attributes", channel.attributes},
            {"Objects", to_json(channel.objects)}};
  if (channel.config.content_type) json["ContentType"] = *channel.config.content_type;
  if (channel.shuffle_seed) json["ShuffleSeed"] = *channel.shuffle_seed;
  return json;
}

AgentChannel parse_channel(const Json& json) {
  AgentChannel channel;
  channel.name = json.at("Name");
  channel.config.input_mode = contract::parse_input_mode(json.at("InputMode").get<std::string>()).value();
  channel.config.distribution = json.at("Distribution");
  channel.config.record_wrapper = json.at("RecordWrapper");
  channel.gzip = json.at("Gzip");
  channel.deal_each_epoch = json.at("DealEachEpoch");
  channel.attributes = json.value("Attributes", std::vector<std::string>());
  channel.objects = parse_objects(json.at("Objects"));
  if (json.contains("ContentType")) channel.config.content_type = json["ContentType"].get<std::string>();
  if (json.contains("ShuffleSeed")) channel.shuffle_seed = json["ShuffleSeed"].get<std::int64_t>();
  return channel;
}

constexpr std::array<std::string_view, 3> kNetworks{"Own", "Job", "Machine"};

AgentNetwork parse_network(const std::string& name) {
  const auto found = std::find(kNetworks.begin(), kNetworks.end(), name);
  if (found == kNetworks.end()) throw Error(Kind::kMalformed, "agent.json: Network: " + name);
  return static_cast<AgentNetwork>(found - kNetworks.begin());
}

std::vector<std::string> texts(const std::vector<std::filesystem::path>& paths) { return {paths.begin(), paths.end()}; }

}  // namespace

Json to_json(const AgentSpec& spec) {
  Json json{{"JobName", spec.job_name},
            {"JobArn", spec.job_arn},
            {"Region", spec.region},
            {"Host", spec.resources.current_host},
            {"Hosts", spec.resources.hosts},
            {"NetworkInterface", spec.resources.network_interface_name},
            {"InstanceType", spec.resources.current_instance_type},
            {"HostIndex", spec.host_index},
            {"AddressPrefix", spec.address_prefix},
            {"Threads", spec.threads},
            {"MemoryBytes", spec.memory_bytes},
            {"Argv", spec.argv},
            {"ReadOnly", texts(spec.read_only)},
            {"Sandboxed", spec.sandboxed},
            {"Gpu", spec.gpu},
            {"WritableInput", spec.writable_input},
            {"Network", kNetworks.at(static_cast<std::size_t>(spec.network))},
            {"Environment", spec.environment},
            {"HyperParameters", spec.hyperparameters},
            {"LogFile", spec.log_file.string()},
            {"MetricsFile", spec.metrics_file.string()},
            {"MaxRuntimeSeconds", spec.max_runtime_seconds},
            {"StopGraceSeconds", spec.stop_grace_seconds},
            {"Channels", Json::array()},
            {"Metrics", Json::array()}};
  for (const AgentChannel& channel : spec.channels) json["Channels"].push_back(to_json(channel));
  for (const MetricDefinition& metric : spec.metrics) json["Metrics"].push_back({metric.name, metric.regex});
  if (spec.checkpoint)
    json["Checkpoint"] = {{"S3Uri", spec.checkpoint->config.s3_uri},
                          {"LocalPath", spec.checkpoint->config.local_path},
                          {"Objects", to_json(spec.checkpoint->objects)}};
  return json;
}

// The server wrote the file, but a server of another version may have: a missing member is reported, not guessed.
AgentSpec parse_agent_spec(const Json& json) try {
  AgentSpec spec;
  spec.job_name = json.at("JobName");
  spec.job_arn = json.at("JobArn");
  spec.region = json.at("Region");
  spec.resources.current_host = json.at("Host");
  spec.resources.hosts = json.at("Hosts").get<std::vector<std::string>>();
  spec.resources.network_interface_name = json.at("NetworkInterface");
  spec.resources.current_instance_type = json.at("InstanceType");
  spec.host_index = json.at("HostIndex");
  spec.address_prefix = json.at("AddressPrefix");
  spec.threads = json.at("Threads");
  spec.memory_bytes = json.at("MemoryBytes");
  spec.argv = json.at("Argv").get<std::vector<std::string>>();
  for (const Json& path : json.at("ReadOnly")) spec.read_only.emplace_back(path.get<std::string>());
  spec.sandboxed = json.at("Sandboxed");
  spec.gpu = json.at("Gpu");
  spec.writable_input = json.value("WritableInput", false);  // absent in specs of version 0.1.0
  spec.network = parse_network(json.at("Network").get<std::string>());
  spec.environment = json.at("Environment").get<std::map<std::string, std::string>>();
  for (const auto& [name, value] : json.at("HyperParameters").items()) spec.hyperparameters[name] = value;
  spec.log_file = json.at("LogFile").get<std::string>();
  spec.metrics_file = json.at("MetricsFile").get<std::string>();
  spec.max_runtime_seconds = json.at("MaxRuntimeSeconds");
  spec.stop_grace_seconds = json.at("StopGraceSeconds");
  for (const Json& channel : json.at("Channels")) spec.channels.push_back(parse_channel(channel));
  for (const Json& metric : json.at("Metrics")) spec.metrics.push_back({metric.at(0), metric.at(1)});
  if (json.contains("Checkpoint")) {
    const Json& c = json["Checkpoint"];
    spec.checkpoint = AgentCheckpoint{{c.at("S3Uri"), c.at("LocalPath")}, parse_objects(c.at("Objects"))};
  }
  return spec;
} catch (const Error&) {
  throw;
} catch (const std::exception& error) {
  throw Error(Kind::kMalformed, std::string("agent.json: ") + error.what());
}

}  // namespace clary::agent
