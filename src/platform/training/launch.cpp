// SPDX-License-Identifier: Apache-2.0
#include "platform/training/launch.h"

#include <algorithm>

#include "base/error.h"
#include "base/ids.h"
#include "contract/layout.h"
#include "platform/objects/s3_uri.h"
#include "platform/sandbox/sandbox.h"
#include "platform/training/channel_plan.h"

namespace clary::training {

namespace {

std::vector<agent::StagedObject> staged(const std::vector<objects::PlannedObject>& plan) {
  std::vector<agent::StagedObject> objects;
  for (const objects::PlannedObject& object : plan)
    objects.push_back({object.bucket, object.key, object.etag, object.file, object.relative});
  return objects;
}

/// One channel as each of the hosts gets it.
std::vector<agent::AgentChannel> plan_channel(const Json& request, const std::string& default_mode, int hosts,
                                              objects::ObjectStore& store) {
  agent::AgentChannel channel;
  channel.name = request.at("ChannelName");
  const Json& source = request.at("DataSource").at("S3DataSource");
  channel.config.input_mode =
      contract::parse_input_mode(request.value("InputMode", default_mode)).value_or(contract::InputMode::kFile);
  channel.config.distribution = source.value("S3DataDistributionType", "FullyReplicated");
  channel.config.record_wrapper = request.value("RecordWrapperType", "None");
  if (request.contains("ContentType")) channel.config.content_type = request["ContentType"].get<std::string>();
  channel.gzip = request.value("CompressionType", "None") == "Gzip";
  const bool pipe = channel.config.input_mode == contract::InputMode::kPipe;
  if (pipe && request.contains("ShuffleConfig"))
    channel.shuffle_seed = request["ShuffleConfig"].at("Seed").get<std::int64_t>();
  const bool sharded = channel.config.distribution == "ShardedByS3Key";
  // A shuffled shard is another one in every epoch, so each host gets all objects and picks its own when the epoch
  // begins.
  channel.deal_each_epoch = sharded && channel.shuffle_seed.has_value();

  const bool manifest = source.at("S3DataType") == "AugmentedManifestFile";
  if (manifest) channel.attributes = source.at("AttributeNames").get<std::vector<std::string>>();
  // The objects of a manifest are what its lines refer to: the hosts share its lines instead.
  if (manifest) channel.deal_each_epoch = sharded;
  std::vector<objects::PlannedObject> plan =
      manifest ? plan_augmented_manifest(source.at("S3Uri"), channel.attributes, channel.gzip, store)
               : objects::plan_source(source, store);
  // share_of_host() takes every hosts-th element, so two hosts with different orders would read some objects twice and
  // others never. stable_sort keeps the order of equal keys.
  // Every host must cut the same order, whatever the order in which a manifest named the keys.
  if (sharded && !manifest)
    std::stable_sort(plan.begin(), plan.end(),
                     [](const objects::PlannedObject& a, const objects::PlannedObject& b) { return a.key < b.key; });
  // Prepared once, copied for each host: only the list of objects differs.
  std::vector<agent::AgentChannel> per_host;
  for (int host = 0; host < hosts; ++host) {
    per_host.push_back(channel);
    per_host.back().objects = staged(objects::share_of_host(plan, sharded && !channel.deal_each_epoch, host, hosts));
  }
  return per_host;
}

agent::AgentCheckpoint plan_checkpoint(const Json& request, objects::ObjectStore& store) {
  agent::AgentCheckpoint checkpoint;
  checkpoint.config.s3_uri = request.at("S3Uri");
  checkpoint.config.local_path = request.value("LocalPath", "/opt/ml/checkpoints");
  try {
    // The prefix is a folder here, whether or not it is written with its slash.
    std::string uri = checkpoint.config.s3_uri;
    if (!uri.ends_with('/')) uri += '/';
    checkpoint.objects = staged(objects::plan_source({{"S3DataType", "S3Prefix"}, {"S3Uri", uri}}, store));
  } catch (const Error& error) {
    // Any other error means that the checkpoints may exist and were not found; starting without them would train from
    // the beginning and then overwrite them.
    if (error.kind() != Kind::kNotFound) throw;  // no checkpoint yet: the first run of this prefix
  }
  return checkpoint;
}

/// What "docker run" would start: the entrypoint is the request's or else the image's; the arguments are the request's,
/// or else "train", which SageMaker passes to an image's own entrypoint only.
std::vector<std::string> program_of(const Json& algorithm, const catalog::AlgorithmEntry& entry) {
  std::vector<std::string> argv = entry.argv;
  if (algorithm.contains("ContainerEntrypoint"))
    argv = algorithm["ContainerEntrypoint"].get<std::vector<std::string>>();
  if (algorithm.contains("ContainerArguments")) {
    const auto arguments = algorithm["ContainerArguments"].get<std::vector<std::string>>();
    argv.insert(argv.end(), arguments.begin(), arguments.end());
  } else if (!algorithm.contains("ContainerEntrypoint")) {
    argv.emplace_back(contract::kTrain);
  }
  return argv;
}

/// A loopback network of the job's own: 127.<1..250>.<1..250>. Two jobs share one only when their ids are a multiple of
/// 62,500 apart.
std::string address_prefix(std::int64_t id) {
  return "127." + std::to_string(1 + id / 250 % 250) + "." + std::to_string(1 + id % 250) + ".";
}

}  // namespace

metric_store::Owner metrics_owner(std::string_view job) {
  return {kTrainingNamespace, {{"TrainingJobName", std::string(job)}}};
}

std::string host_name(int host) { return "algo-" + std::to_string(host + 1); }

// The epoch is the time of the first launch, stored in the row: a retry or a restart writes on into the same stream.
std::string stream_of(const TrainingJob& job, int host) {
  return job.name + "/" + host_name(host) + "-" + std::to_string(job.launched / 1000);
}

// With several groups the first one's type counts: this server runs all instances of a job on one machine.
std::string instance_type_of(const TrainingJob& job) {
  const Json& resources = job.request.at("ResourceConfig");
  if (resources.contains("InstanceType")) return resources["InstanceType"];
  const Json groups = resources.value("InstanceGroups", Json::array());
  return groups.empty() ? "" : groups[0].value("InstanceType", "");
}

std::vector<agent::MetricDefinition> metric_definitions(const Json& descriptor, const Json& algorithm_specification) {
  std::vector<agent::MetricDefinition> definitions;
  const auto add = [&](const Json& list) {
    for (const Json& item : list) {
      // The descriptor's definition wins over a request's of the same name, since the built-in program prints what it
      // matches.
      const std::string name = item.at("Name");
      const auto same = [&](const agent::MetricDefinition& definition) { return definition.name == name; };
      if (std::none_of(definitions.begin(), definitions.end(), same)) definitions.push_back({name, item.at("Regex")});
    }
  };
  add(descriptor.value("Metrics", Json::array()));
  add(algorithm_specification.value("MetricDefinitions", Json::array()));
  return definitions;
}

std::vector<agent::AgentSpec> agent_specs(const TrainingJob& job, const LaunchContext& context,
                                          const catalog::Resources& share) {
  const Json& algorithm = job.request.at("AlgorithmSpecification");
  const auto entry = context.catalog.resolve(algorithm.at("TrainingImage").get<std::string>());
  const int hosts = job.instance_count();

  agent::AgentSpec common;
  common.job_name = job.name;
  common.job_arn = job.arn;
  common.region = job.region;
  common.address_prefix = address_prefix(job.id);
  common.threads = share.vcpus;
  common.memory_bytes = share.memory_bytes;
  common.argv = program_of(algorithm, *entry);
  common.read_only = entry->read_only;
  // A program that the user named is the user's own, even under a built-in image.
  const bool own = !entry->builtin || algorithm.contains("ContainerEntrypoint");
  // SageMaker's SDK starts scripts by an entrypoint that makes a file of its input executable and writes beside it.
  common.writable_input = algorithm.contains("ContainerEntrypoint");
  common.sandboxed = sandbox::sandbox_available();
  // Refused before a folder is made or an agent started; the job fails with this reason.
  if (!common.sandboxed && own && !context.allow_plain_user_programs) throw sandbox::no_sandbox();
  common.gpu = std::filesystem::exists("/dev/nvidiactl");
  // The operator may give a program of the user's the machine's network; EnableNetworkIsolation takes it back.
  const bool machine = entry->machine_network && !job.request.value("EnableNetworkIsolation", false);
  common.network = machine     ? agent::AgentNetwork::kMachine
                   : hosts > 1 ? agent::AgentNetwork::kJob
                               : agent::AgentNetwork::kOwn;
  const Json environment = job.request.value("Environment", Json::object());
  const Json hyperparameters = job.request.value("HyperParameters", Json::object());
  common.environment[contract::kEnvImage] = algorithm.at("TrainingImage").get<std::string>();
  for (const auto& [name, path] : entry->files) {
    common.environment[name] = path.string();
    if (std::filesystem::exists(path)) common.read_only.push_back(path);  // else the program reports the missing file
  }
  // After the catalogue's own variables: a variable of the request overrides them.
  for (const auto& [name, value] : environment.items()) common.environment[name] = value;
  for (const auto& [name, value] : hyperparameters.items()) common.hyperparameters[name] = value;
  common.metrics = metric_definitions(entry->descriptor, algorithm);
  common.max_runtime_seconds = job.request.at("StoppingCondition").value("MaxRuntimeInSeconds", 86'400);
  common.stop_grace_seconds = context.stop_grace_seconds;
  // ResourceConfig's default has one host; it is replaced, not extended.
  common.resources.hosts.clear();
  for (int host = 0; host < hosts; ++host) common.resources.hosts.push_back(host_name(host));
  common.resources.current_instance_type = instance_type_of(job);
  if (job.request.contains("CheckpointConfig"))
    common.checkpoint = plan_checkpoint(job.request["CheckpointConfig"], context.objects);

  // Copied last: what follows is all that differs between the instances.
  std::vector<agent::AgentSpec> specs(static_cast<std::size_t>(hosts), common);
  for (int host = 0; host < hosts; ++host) {
    agent::AgentSpec& spec = specs[static_cast<std::size_t>(host)];
    spec.host_index = host;
    spec.resources.current_host = host_name(host);
    spec.log_file = context.logs.file(kTrainingNamespace, stream_of(job, host));
    spec.metrics_file = std::filesystem::path(kMetricsFolder) / random_hex(8);
  }
  const std::string mode = algorithm.value("TrainingInputMode", "File");
  for (const Json& request : job.request.value("InputDataConfig", Json::array())) {
    auto channels = plan_channel(request, mode, hosts, context.objects);
    for (std::size_t host = 0; host < specs.size(); ++host) specs[host].channels.push_back(std::move(channels[host]));
  }
  return specs;
}

}  // namespace clary::training
