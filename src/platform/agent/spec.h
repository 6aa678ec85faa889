// SPDX-License-Identifier: Apache-2.0
// agent.json: all that an agent knows of its job. The server writes it; the agent reads nothing else of the server's.
//
// The folder of an instance:
//   agent.json     this                        agent.lock     flock'd while the agent lives
//   events.jsonl   agent -> server             stop           server -> agent: {"Reason": "Stop" | "Terminate"}
//   ml/            /opt/ml of the program      pipe/          staged objects of Pipe channels
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "contract/config_files.h"

namespace clary::agent {

struct StagedObject {
  std::string bucket, key, etag;
  std::filesystem::path
      file;              // below the folder of objects that the agent was given; "" when it is not on this machine
  std::string relative;  // name in the channel
};

struct AgentChannel {
  std::string name;
  contract::ChannelConfig config;
  bool gzip = false;                         // CompressionType Gzip (Pipe only)
  std::optional<std::int64_t> shuffle_seed;  // ShuffleConfig.Seed
  std::vector<StagedObject> objects;         // File: this host's; Pipe with a seed and shards: everybody's
  bool deal_each_epoch = false;              // Pipe with a seed and shards: take one's share after shuffling
  /// AttributeNames of an augmented manifest: objects[0] is the manifest, whose lines are shuffled and dealt, and the
  /// others are what its "-ref" attributes name, `relative` being the address there. Empty: any other channel.
  std::vector<std::string> attributes;
};

struct MetricDefinition {
  std::string name, regex;
};

struct AgentCheckpoint {
  contract::CheckpointConfig config;
  std::vector<StagedObject> objects;  // what S3 holds before the start
};

/// What of a network the program sees.
enum class AgentNetwork {
  kOwn,      // a loopback interface of its own
  kJob,      // the same for all instances of the job, which meet there
  kMachine,  // the machine's
};

struct AgentSpec {
  std::string job_name, job_arn, region;
  contract::ResourceConfig resources;
  int host_index = 0;
  std::string address_prefix;  // "127.1.7.": host n of the job is <prefix><n + 1>
  int threads = 1;
  std::uint64_t memory_bytes = 0;
  std::vector<std::string> argv;
  std::vector<std::filesystem::path> read_only;
  bool sandboxed = true;  // false: the machine has no sandbox and the program may run without
  bool gpu = false;
  bool writable_input = false;  // the program may change /opt/ml/input: it gets copies
  AgentNetwork network = AgentNetwork::kOwn;
  std::map<std::string, std::string> environment;
  contract::Hyperparameters hyperparameters;
  std::vector<AgentChannel> channels;
  std::optional<AgentCheckpoint> checkpoint;
  std::vector<MetricDefinition> metrics;
  std::filesystem::path log_file;
  std::filesystem::path metrics_file;  // relative to the instance's folder; absolute in specs of version 0.1.0
  std::int64_t max_runtime_seconds = 86'400;
  std::int64_t stop_grace_seconds = 120;  // container contract: SIGTERM, 120 s, SIGKILL
};

Json to_json(const AgentSpec& spec);
/// @throws Error{kMalformed} naming the file's missing or wrong member
AgentSpec parse_agent_spec(const Json& json);

}  // namespace clary::agent
